/** Renders the progress of a run without results: its stages and its splits. */

import { splitName } from '../../config/grades.ts';
import { bytes, fineDuration, fixed, whole } from '../../lib/format.ts';
import { type Html, html, section, small, stacked, table } from './html.ts';
import type { RunData } from './report-data.ts';

export function renderProgress({ progress }: RunData): Html | null {
  if (progress === null) return null;
  const { splits } = progress;
  const stages = Object.entries(progress.stages).map(([name, stage]) => ({ name, ...stage }));
  return section(
    'stages',
    'Stages',
    table(
      'Stages',
      stages,
      [
        ['Stage', stage => stage.name],
        ['State', stage => stage.state, 'nowrap'],
        ['Done', ({ done, of, unit }) => of > 0 && stacked(`${whole(done)} of ${whole(of)}`, unit), 'num'],
        [
          'Took',
          ({ startedAt, endedAt }) => startedAt && endedAt && fineDuration((endedAt - startedAt) / 1000),
          'num nowrap',
        ],
        ['So far', ({ counts, reason }) => html`${figures(counts)}${small(reason)}`],
      ],
      { rowClass: stage => stage.state },
    ),
    splits.length > 0 &&
      html`<h3>Splits in training</h3>${table('Splits in training', splits, [
        ['Split', split => splitName(split.k), 'nowrap'],
        ['Epoch', ({ epoch, epochs }) => `${epoch} of ${epochs}`, 'num'],
        ['Loss', split => fixed(split.loss), 'num'],
        ['AUC', split => fixed(split.auc), 'num'],
        [
          'Best AUC',
          ({ bestAuc, bestEpoch }) =>
            bestEpoch === null ? fixed(bestAuc) : stacked(fixed(bestAuc), `epoch ${bestEpoch}`),
          'num',
        ],
        ['Attempts lost', split => whole(split.lost.attempts), 'num'],
      ])}`,
  );
}

function figures(counts: Record<string, number>): Html | null {
  const entries = Object.entries(counts);
  if (entries.length === 0) return null;
  return html`${entries.map(([name, n]) => `${words(name)} ${figure(name, n)}`).join(' · ')}<br>`;
}

function figure(name: string, n: number): string {
  if (name === 'bytes' || name === 'fetched') return bytes(n);
  return Number.isInteger(n) ? whole(n) : fixed(n);
}

/** Converts camel case to words: `labelsWithoutPicture` → `labels without picture`. */
function words(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`);
}
