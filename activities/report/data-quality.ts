/** Renders the sections on the data: suspect labels, near-duplicates, folds, quarantine, and prepared images. */

import { STAGE_NAMES } from '../../config/grades.ts';
import { counted, fixed, percent, whole } from '../../lib/format.ts';
import { FOLDS } from '../labels/types.ts';
import { type Column, type Html, html, probabilityColumns, section, small, table } from './html.ts';
import type { ReportData, RunData } from './report-data.ts';
import { nameOf } from './stages.ts';

/** Maximum number of lines on the page. The files next to it have all lines. */
const LISTED = 10;
const QUARANTINE_LISTED = 8;

/** Renders grades that all four networks contradict, and near-identical images in two folds under two names. */
export function renderSecondLook({ metrics, suspects, nearDuplicates }: ReportData): Html {
  const { suspectLabels, nearDuplicates: found, folds } = metrics;
  const what = folds.unit === 'record' ? 'records' : 'eyes';
  return section(
    'second',
    'Worth a second look',
    html`<h3>Suspect labels</h3>
  <p>${counted(suspectLabels.eyes, 'grade')} of ${whole(suspectLabels.of)} held-out ${what} ${suspectLabels.eyes === 1 ? 'is' : 'are'} contradicted by all four networks, each of which counts the eye among the most extreme tenth of its grade. Either side may be wrong.</p>`,
    suspects.length > 0 &&
      listed('Suspect labels', suspects, 'suspect-labels.csv', 'the furthest from its grade first', [
        ['Eye', nameOf],
        ['Graded', eye => eye.level, 'num'],
        ['Networks see', eye => `${eye.seen} disease`],
        ['Predicted', eye => eye.predicted, 'num'],
        ['Score', eye => fixed(eye.expected, 2), 'num'],
        ...probabilityColumns,
      ]),
    html`<h3>Leak radar</h3>
  <p>${
    found === null
      ? 'Not measured: these pictures were prepared without perceptual hashes.'
      : `${
          found.pairs === 0
            ? 'No picture is'
            : `${counted(found.pairs, 'pair')} of pictures, ${whole(found.trainTest)} of them between training and test, ${found.pairs === 1 ? 'is' : 'are'}`
        } nearly the same under different patients in different folds, which folds by patient do not stop. Compared: ${counted(found.pictures, 'picture')} by perceptual hashes that may differ in ${found.distance} of ${found.bits} bits.`
  }</p>`,
    nearDuplicates.length > 0 &&
      listed('Near-identical pictures', nearDuplicates, 'near-duplicates.csv', 'the closest first', [
        ['Picture', pair => sideOf(pair.a)],
        ['Nearly the same as', pair => sideOf(pair.b)],
        ['Bits that differ', pair => pair.distance, 'num'],
      ]),
  );
}

function sideOf({ image, level, folds }: ReportData['nearDuplicates'][0]['a']): Html {
  return html`${image} ${small(`stage ${level}, ${folds.join(' + ')}`)}`;
}

function listed<Row>(label: string, rows: readonly Row[], file: string, order: string, columns: Column<Row>[]): Html {
  const shown = rows.length > LISTED ? `The first ${LISTED} of ${whole(rows.length)}` : 'All of them';
  const caption = html`${shown}, ${order}; as a file: <code>${file}</code>.`;
  return table(label, rows.slice(0, LISTED), columns, { caption });
}

const USES = { train: 'the networks', validation: 'snapshot, regression, cuts', test: 'every figure of this page' };

/** Renders the folds and the quarantine. */
export function renderFolds({ metrics, quarantine }: ReportData): Html {
  const { folds, images } = metrics;
  const first = quarantine.length > QUARANTINE_LISTED;
  return section(
    'folds',
    'Folds and pictures',
    table('Folds', FOLDS, [
      ['Fold', fold => fold],
      ['Used for', fold => USES[fold], 'words'],
      ['Patients', fold => whole(folds[fold].patients), 'num'],
      ['Eyes', fold => whole(folds[fold].eyes), 'num'],
      ...STAGE_NAMES.map(
        (name, stage): Column<(typeof FOLDS)[number]> => [
          html`${stage}<br>${small(name)}`,
          fold => whole(folds[fold].stages[stage]!),
          'num',
        ],
      ),
    ]),
    html`<p>${folds.unit === 'patient' ? 'Dealt by patient: both eyes and all versions of a patient are in one fold.' : `Dealt by record, as in 2015: ${percent(folds.leak.patients)} of the test records share their patient with training, ${percent(folds.leak.eyes)} have another version of the same eye there.`}
  ${whole(images.seen)} pictures were seen, ${whole(images.quarantined)} of them ${images.quarantined === 1 ? 'was' : 'were'} set aside in quarantine.${images.ignored !== undefined && ` Ignored: ${counted(images.ignored, 'other file')}.`}</p>`,
    quarantine.length > 0 &&
      table(
        'Quarantine',
        quarantine.slice(0, QUARANTINE_LISTED),
        [
          ['Entry of the archive', ({ entry }) => html`<code>${JSON.stringify(entry).slice(1, -1)}</code>`],
          ['Why', ({ reason }) => reason, 'words'],
        ],
        {
          caption: html`${first ? `The first ${QUARANTINE_LISTED} of ${whole(quarantine.length)} entries` : 'Entries'} set aside; <code>quarantine.jsonl</code> beside the shards has them all.`,
        },
      ),
  );
}

/** Renders the contact sheet: the first images of each grade in all their versions. Returns null without a sheet. */
export function renderPictures({ sheet, input }: RunData): Html | null {
  if (sheet === null) return null;
  const { jpeg, width, height } = sheet;
  const enhanced = input.images.enhance === 'graham';
  return section(
    'pictures',
    'What the networks were shown',
    html`<p>The first pictures of each stage as they lie in the shards${enhanced && ', with the local average colour taken away'}: as is, rotated by 180\u00b0, mirrored, and both. The rows are the stages ${STAGE_NAMES.map((name, stage) => `${stage} (${name})`).join(', ')}; <code>augmentation.csv</code> names the eyes. A picture that is cut wrongly, or black, shows here.</p>
  <div class="scroll" role="region" aria-label="Prepared pictures" tabindex="0">
  <img class="sheet" width="${width}" height="${height}" alt="A row for each stage from 0 to 4, with the versions of its first pictures side by side" src="data:image/jpeg;base64,${jpeg.toString('base64')}">
  </div>`,
  );
}
