import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { Tries } from '../run/tries.ts';
import type { LostWork } from '../training/types.ts';

export interface FitArgs {
  run: string;
  /** `stages/regress/<key>` */
  prefix: string;
  /** `stages/label/<key>` */
  label: string;
  /** `stages/train/<key>` of each training, in order of k (one for four heads). */
  trainings: string[];
  input: PipelineInput;
}

export interface FittedRegression {
  /** `<prefix>/regression.json`: everything of metrics.json but `images`, `work` and `versions`. */
  regression: Artifact;
  /** `<prefix>/predictions.csv`: `image,level,fold,p0,p1,p2,p3,expected,predicted` */
  predictions: Artifact;
  /** Further files under the prefix: `suspect-labels.csv`, and `near-duplicates.csv` where the pictures have hashes. */
  lists: Record<string, Artifact>;
  qwk: number | null;
  baselineQwk: number | null;
  auc: (number | null)[];
  /** Test eyes. */
  eyes: number;
}

/** The tries are absent of trainings, which `SplitWork` is about, of what an older release made, and before the report. */
export interface StageWork extends Partial<Tries> {
  name: string;
  seconds: number;
  reused: boolean;
}

/** What one training has cost. */
export interface SplitWork {
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  segmentsTrained: number;
  segmentsReused: number;
  /** Attempts of segments whose work was done again. */
  segmentsRepeated: number;
  iterationsLost: number;
  secondsLost: number;
  /** Those attempts by reason. */
  reasons: LostWork['reasons'];
}

export interface ReportArgs {
  run: string;
  /** `stages/regress/<key>` */
  prefix: string;
  label: string;
  trainings: string[];
  input: PipelineInput;
  /** Counts over the whole run that only the workflow knows. */
  work: {
    stages: StageWork[];
    attempts: number;
    segmentsTrained: number;
    segmentsReused: number;
    segmentsRepeated: number;
    iterationsLost: number;
    secondsLost: number;
    /** Absent in runs that an older release began. */
    splits?: SplitWork[];
  };
  images: { seen: number; quarantined: number };
}

export interface WrittenReport {
  /** `runs/<run>/report/` */
  folder: string;
  /** Files under `runs/<run>/report/`: report.html, metrics.json, predictions.csv, curves.csv, and the lists of `FittedRegression`. */
  files: Record<string, Artifact>;
}

export interface RegressionActivities {
  fitRegression(args: FitArgs): Promise<FittedRegression>;
  /** Writes `runs/<run>/report/`. Overwrites what an earlier execution of the same run left there. */
  writeReport(args: ReportArgs): Promise<WrittenReport>;
}
