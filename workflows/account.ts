/** What only the parent knows of a run's work, for the report. */
import type { ReportArgs } from '../activities/regression/types.ts';
import type { Progress } from './progress.ts';
import type { StageResult } from './stage.ts';

/** Adds up the trainings (four heads share one) and the stages that have ended. */
export function accountOf(
  { splits }: Progress,
  results: ReadonlyMap<string, StageResult>,
): Pick<ReportArgs, 'work' | 'images'> {
  const trainings = [...new Map(splits.map(split => [split.name, split])).values()];
  const sum = (of: (split: (typeof splits)[number]) => number) => trainings.reduce((total, s) => total + of(s), 0);
  const prepared = results.get('prepare')?.counts ?? {};
  return {
    work: {
      stages: [...results].map(([name, { seconds, reused }]) => ({ name, seconds, reused })),
      attempts: sum(s => s.segmentsTrained + s.segmentsReused + s.lost.attempts),
      segmentsTrained: sum(s => s.segmentsTrained),
      segmentsReused: sum(s => s.segmentsReused),
      segmentsRepeated: sum(s => s.lost.attempts),
      iterationsLost: sum(s => s.lost.iterations),
      secondsLost: sum(s => s.lost.seconds),
      splits: trainings.map(({ name, segmentsTrained, segmentsReused, lost }) => ({
        name,
        segmentsTrained,
        segmentsReused,
        segmentsRepeated: lost.attempts,
        iterationsLost: lost.iterations,
        secondsLost: lost.seconds,
        reasons: lost.reasons,
      })),
    },
    images: { seen: prepared.entries ?? 0, quarantined: prepared.quarantined ?? 0 },
  };
}
