import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

export const FOLDS = ['train', 'validation', 'test'] as const;
export type Fold = (typeof FOLDS)[number];

export interface FoldCounts {
  patients: number;
  eyes: number;
  /** Eyes of each grade 0–4. */
  stages: number[];
}

/** Arguments of a stage that reads images. */
interface FromPictures {
  /** `stages/label/<key>`, or the prefix of a scoring. */
  prefix: string;
  /** `stages/prepare/<key>`, whose manifest lists the shards. */
  prepare: string;
}

export interface AssignFoldsArgs extends FromPictures {
  labels: Artifact;
  folds: PipelineInput['folds'];
  images: PipelineInput['images'];
  training: PipelineInput['training'];
}

export interface AssignedFolds {
  /** `<prefix>/folds.csv`: `image,patient,level,fold` (and `version` for `folds.unit: record`). */
  folds: Artifact;
  /** `<prefix>/plan.json`: the records of each database, in order. */
  plan: Artifact;
  /** `split-k/{train,val,test}.tsv` and `split-k/labels.txt` under the prefix, by name. */
  lists: Record<string, Artifact>;
  /** Databases to build: `train-00`, `train-01`, …, `val`, `test`. */
  databases: string[];
  counts: Record<Fold, FoldCounts>;
  /** Training records left out so that every database holds whole batches. */
  trimmed: number;
}

export interface BuildDatabaseArgs extends FromPictures {
  plan: Artifact;
  name: string;
  training: PipelineInput['training'];
}

export interface BuiltDatabase {
  name: string;
  /** `<prefix>/<name>.mdb`: the LMDB's `data.mdb`. */
  database: Artifact;
  records: number;
  reused: boolean;
}

export interface SumPicturesArgs extends FromPictures {
  plan: Artifact;
  /** Number of the part, from 0. */
  part: number;
  /** Number of parts into which the eyes of the training databases are divided. */
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
  /** The sums of all parts. */
  sums: SummedPictures[];
}

export interface LabelActivities {
  /** Assigns the eyes to folds, writes the lists of the four splits and plans the databases. */
  assignFolds(args: AssignFoldsArgs): Promise<AssignedFolds>;
  buildDatabase(args: BuildDatabaseArgs): Promise<BuiltDatabase>;
  /** Adds up the images of the part's eyes in the training databases, from one version of each. */
  sumPictures(args: SumPicturesArgs): Promise<SummedPictures>;
  /** Stores `<prefix>/mean.binaryproto`, the mean image of all training records. */
  averageSums(args: AverageSumsArgs): Promise<Artifact>;
}
