/** What `progress` of a scoring answers, and how it is written into the Web UI's details. */
import { counts as countsText, type StageProgress } from './progress.ts';

export const SCORING_STEPS = ['download', 'prepare', 'score'] as const;
export type ScoringStep = (typeof SCORING_STEPS)[number];

export interface ScoringProgress {
  /** Id of the scoring, and of the run whose networks score. */
  id: string;
  run: string;
  archive: string;
  state: 'starting' | 'running' | 'finished';
  steps: Record<ScoringStep, StageProgress>;
}

const UNITS: Record<ScoringStep, string> = { download: 'files', prepare: 'shards', score: 'tables' };

export function initialScoring(id: string, run: string): ScoringProgress {
  const waiting = (step: ScoringStep): StageProgress => ({
    state: 'waiting',
    ...{ done: 0, of: 0, unit: UNITS[step] },
    ...{ startedAt: null, endedAt: null, reason: '', counts: {} },
  });
  const steps = Object.fromEntries(SCORING_STEPS.map(step => [step, waiting(step)]));
  return { id, run, archive: '', state: 'starting', steps: steps as Record<ScoringStep, StageProgress> };
}

/** The whole scoring in Markdown. */
export function scoringDetails({ id, run, archive, state, steps }: ScoringProgress): string {
  const rows = SCORING_STEPS.map(step => {
    const s = steps[step];
    const done = s.of > 0 ? `${s.done} of ${s.of} ${s.unit}` : '';
    return `| **${step}** | ${s.state} | ${done} | ${countsText(s.counts)} | ${s.reason} |`;
  });
  return [
    `**${id}** · ${archive} by the networks of ${run} · ${state}`,
    '',
    '| step | state | done | counts | why |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
