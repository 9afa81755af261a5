/** Renders how to read the figures, and how to reproduce them. */
import { withoutForkedRuns } from '../../config/forks.ts';
import type { PipelineInput } from '../../config/input.ts';
import { resolveInput } from '../../config/resolve.ts';
import { whole } from '../../lib/format.ts';
import { isObject, parseJson } from '../../lib/json.ts';
import { type Html, html, section, table } from './html.ts';
import type { ReportData, RunData } from './report-data.ts';

/** Renders the choices made on the validation fold, and the limits of the intervals. */
export function renderReading({ metrics }: ReportData): Html {
  const { regression, intervals } = metrics;
  const chosen = [
    'the snapshot of each training (highest AUC)',
    ...(regression.ridge.by === 'cross-validation' ? ['the strength of the ridge penalty'] : []),
    'the weights',
    ...(regression.cutsTuned ? ['the four cuts (highest kappa)'] : []),
  ];
  return section(
    'reading',
    'How to read this',
    html`<ul>
    <li>Chosen on the validation fold: ${chosen.join(', ')} and the thresholds of the operating points. Measured on the test fold, once: everything else.</li>
    <li>Intervals are 95\u202f%, from ${whole(intervals.samples)} bootstrap samples of whole patients of the test fold. They cover which patients happened to be in it. They do not cover another seed of training, another draw of the folds, another camera or another grader.</li>
    <li>A probability is the mean over the versions of a picture (as is, rotated, mirrored).</li>
    <li>Each picture was graded once by one person; where grader and networks disagree, either may be wrong.</li>
    <li>A stage, a share or an area that the test fold has too few kinds of eyes for is given as n/a, never guessed.</li>
  </ul>`,
  );
}

/** Renders the exact input and versions that reproduce the run. */
export function renderRepeat({ input, versions }: RunData): Html {
  const command = commandOf(input);
  return section(
    'repeat',
    'To do it again',
    command !== null && html`<pre class="command">${command}</pre>`,
    html`<p>${command === null ? 'Save' : 'Or save'} the input below as <code>input.json</code>, which holds every default too, and run <code>npm start -- --input-file input.json</code>. On a CPU the same versions give the same numbers.</p>
  <details>
    <summary>Input, every field</summary>
    <pre tabindex="0">${JSON.stringify({ ...input, training: withoutForkedRuns(input.training) }, null, 2)}</pre>
  </details>`,
    table(
      'Versions',
      Object.entries(versions),
      [
        ['What', ([name]) => name],
        ['Version', ([, version]) => version],
      ],
      { caption: 'Versions' },
    ),
  );
}

/** Maximum number of settings in a command. With more, a file is easier to read and to type. */
const MOST_SETTINGS = 8;

/**
 * Returns the `npm start` command for an input, for a POSIX shell. It sets every field that differs from the ready input of the source.
 * @returns null with too many settings, for which a file is better
 */
export function commandOf(input: PipelineInput): string | null {
  const { source, ...fields } = { ...input, training: withoutForkedRuns(input.training) };
  const { source: _, ...ready } = resolveInput({ source });
  const settings = settingsOf(ready, fields, '');
  if (settings.length > MOST_SETTINGS) return null;
  const options = source === 'synthetic' ? [] : [`--source ${quoted(source.replace(/^file:/, ''))}`];
  options.push(...settings.map(setting => `--set ${quoted(setting)}`));
  return options.length === 0 ? 'npm start' : `npm start -- ${options.join(' ')}`;
}

/** Returns `training.epochs=4` for each field that differs. Lists and rate policies are set as a whole. */
function settingsOf(ready: unknown, wanted: unknown, path: string): string[] {
  if (JSON.stringify(ready) === JSON.stringify(wanted)) return [];
  if (isObject(ready) && isObject(wanted) && path !== 'training.policy') {
    return Object.keys(wanted).flatMap(name =>
      settingsOf(ready[name], wanted[name], path === '' ? name : `${path}.${name}`),
    );
  }
  // Text that would parse as JSON, such as a number, needs quotation marks.
  const asItIs = typeof wanted === 'string' && parseJson(wanted) === undefined;
  return [`${path}=${asItIs ? wanted : JSON.stringify(wanted)}`];
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
