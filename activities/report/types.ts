import type { Artifact } from '../../storage/store.ts';
import type { Judgement } from '../regression/metrics.ts';
import type { FitArgs } from '../regression/types.ts';
import type { Tries } from '../run/attempt-counts.ts';
import type { SplitProgress, StageProgress } from '../run/types.ts';

/** Work of a stage. Attempt counts are absent before the report, and for trainings, which `SplitWork` covers. */
export interface StageWork extends Partial<Tries> {
  name: string;
  seconds: number;
  reused: boolean;
}

/** Work of one training. */
export interface SplitWork {
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  segmentsTrained: number;
  segmentsReused: number;
  /** Attempts of segments whose work was repeated. */
  segmentsRepeated: number;
  iterationsLost: number;
  secondsLost: number;
}

export interface ReportArgs extends FitArgs {
  /** Counts over the whole run that only the workflow knows. */
  work: Omit<SplitWork, 'name'> & { stages: StageWork[]; attempts: number; splits: SplitWork[] };
  /** `ignored`: number of other files of the archive, where it has any. */
  images: { seen: number; quarantined: number; ignored?: number };
}

/** `metrics.json` */
export interface Metrics extends Judgement {
  run: string;
  /** `ignored`: number of other files of the archive, where it has any. */
  images: { seen: number; quarantined: number; ignored?: number };
  /** `seconds`: wall-clock time of each stage. For a reused stage it is the time of its original execution. */
  work: ReportArgs['work'] & { seconds: Record<string, number> };
  versions: Record<string, string>;
}

export interface WrittenReport {
  /** `runs/<run>/report/` */
  folder: string;
  /** Files under `runs/<run>/report/`: report.html, metrics.json, predictions.csv, curves.csv, and the lists of `FittedRegression`. */
  files: Record<string, Artifact>;
}

/** Progress of a run without results. */
export interface RunProgress {
  state: 'running' | 'paused' | 'finished' | 'failed';
  /** Failure message of a failed run, else null. */
  why: string | null;
  stages: Record<string, StageProgress>;
  splits: SplitProgress[];
}

export interface ReportActivities {
  /** Writes `runs/<run>/report/`. Overwrites the files of an earlier execution of the same run. */
  writeReport(args: ReportArgs): Promise<WrittenReport>;
  /** Writes `runs/<run>/report/report.html` with the run's progress. Overwrites the earlier page. */
  writeProgressPage(args: { run: string; progress: RunProgress }): Promise<void>;
}
