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
  /** Workflows of older releases leave it out: training databases then get a mean picture of their own. */
  mean?: false;
}

export interface BuiltDatabase {
  name: string;
  /** `<prefix>/<name>.mdb`: the LMDB's `data.mdb`. */
  database: Artifact;
  /** `<prefix>/<name>.mean.binaryproto`, of training databases only, where it was asked for. */
  mean: Artifact | null;
  records: number;
  reused: boolean;
}

export interface AverageMeansArgs {
  prefix: string;
  databases: BuiltDatabase[];
}

export interface SumPicturesArgs {
  prefix: string;
  prepare: string;
  plan: Artifact;
  /** From 0. */
  part: number;
  /** How many parts the eyes of the training databases are dealt into. */
  parts: number;
}

export interface SummedPictures {
  part: number;
  /** `<prefix>/sum-00.f64`: 64-bit floats, little-endian, row by row from the top, red, green and blue of each pixel. */
  sum: Artifact;
  /** Pixels. */
  width: number;
  height: number;
  /** Records that were added up. */
  records: number;
  reused: boolean;
}

export interface AverageSumsArgs {
  prefix: string;
  /** All parts. */
  sums: SummedPictures[];
}

export interface LabelActivities {
  /** Deals the eyes into folds, writes the lists of the four splits and plans the databases. */
  assignFolds(args: AssignFoldsArgs): Promise<AssignedFolds>;
  buildDatabase(args: BuildDatabaseArgs): Promise<BuiltDatabase>;
  /** Adds up the pictures of the part's eyes in the training databases, from one version of each. */
  sumPictures(args: SumPicturesArgs): Promise<SummedPictures>;
  /** `<prefix>/mean.binaryproto`: the mean picture of all training records. */
  averageSums(args: AverageSumsArgs): Promise<Artifact>;
  /** The same from the mean pictures of the databases, for workflows of older releases. */
  averageMeans(args: AverageMeansArgs): Promise<Artifact>;
}
