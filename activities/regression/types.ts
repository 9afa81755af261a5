import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

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
  /** `<prefix>/regression.json`: metrics.json without `run`, `images`, `work` and `versions`. */
  regression: Artifact;
  /** `<prefix>/predictions.csv`: `image,level,fold,p0,p1,p2,p3,expected,predicted` */
  predictions: Artifact;
  /** Further files under the prefix: `suspect-labels.csv`, and `near-duplicates.csv` where the images have hashes. */
  lists: Record<string, Artifact>;
  qwk: number | null;
  baselineQwk: number | null;
  auc: (number | null)[];
  /** Number of test eyes. */
  eyes: number;
}

export interface RegressionActivities {
  fitRegression(args: FitArgs): Promise<FittedRegression>;
}
