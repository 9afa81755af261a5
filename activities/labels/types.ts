import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

export const FOLDS = ['train', 'validation', 'test'] as const;
export type Fold = (typeof FOLDS)[number];

export interface FoldCounts {
  patients: number;
  eyes: number;
  /** Eyes per stage 0–4. */
  stages: number[];
}

export interface AssignFoldsArgs {
  /** `stages/label/<key>` */
  prefix: string;
  /** `stages/prepare/<key>`: its manifest lists the shards. */
  prepare: string;
  labels: Artifact;
  folds: PipelineInput['folds'];
  images: PipelineInput['images'];
  training: PipelineInput['training'];
}

export interface AssignedFolds {
  /** `<prefix>/folds.csv`: `image,patient,level,fold` (and `version` for `folds.unit: record`). */
  folds: Artifact;
  /** `<prefix>/plan.json`: which records, in which order, each database holds. */
  plan: Artifact;
  /** `split-k/{train,val,test}.tsv` and `split-k/labels.txt` under the prefix, by name. */
  lists: Record<string, Artifact>;
  /** Databases to build: `train-00`, `train-01`, …, `val`, `test`. */
  databases: string[];
  counts: Record<Fold, FoldCounts>;
  /** Training records left out so that every database holds whole batches. */
  trimmed: number;
}

export interface BuildDatabaseArgs {
  prefix: string;
  prepare: string;
  plan: Artifact;
  name: string;
  images: PipelineInput['images'];
  training: PipelineInput['training'];
}

export interface BuiltDatabase {
  name: string;
  /** `<prefix>/<name>.mdb`: the LMDB's `data.mdb`. */
  database: Artifact;
  /** `<prefix>/<name>.mean.binaryproto`, of training databases only. */
  mean: Artifact | null;
  records: number;
  reused: boolean;
}

export interface AverageMeansArgs {
  prefix: string;
  databases: BuiltDatabase[];
}

export interface LabelActivities {
  /** Deals the eyes into folds, writes the lists of the four splits and plans the databases. */
  assignFolds(args: AssignFoldsArgs): Promise<AssignedFolds>;
  buildDatabase(args: BuildDatabaseArgs): Promise<BuiltDatabase>;
  /** `<prefix>/mean.binaryproto`: the mean picture of all training records. */
  averageMeans(args: AverageMeansArgs): Promise<Artifact>;
}
