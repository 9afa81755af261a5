import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { BuiltDatabase } from '../labels/types.ts';
import type { LostWork } from '../run/types.ts';

/** Thresholds that a network is trained on: `[k]` for the split <0..k>/<k+1..4>, `[0,1,2,3]` for four heads. */
export type Heads = number[];

export interface TrainingArgs {
  run: string;
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  heads: Heads;
  /** `stages/label/<key>`, whose manifest lists the databases and the mean image. */
  label: string;
  training: PipelineInput['training'];
  images: PipelineInput['images'];
}

export interface TrainingPlan {
  /** Iterations of the whole run. */
  iterations: number;
  epochs: number;
  segmentsPerEpoch: number;
  /** Checksum of all inputs of the chain: net, databases, mean image, weights. Input of the stage's key. */
  origin: string;
  /** Number of segments that are cached, from the first on without a gap. */
  done: number;
}

/** Learning rates that `extend` gave for the epochs after `after`. */
export type GivenRates = readonly { after: number; rate: number }[];

export interface SegmentArgs extends TrainingArgs {
  /** Number of the segment in the whole run, from 0. */
  segment: number;
  /** Key of the previous segment; null for the first. */
  previous: string | null;
  /** Learning rate of a segment beyond the planned end, if `extend` gave one. */
  rate?: number;
  /** Segments whose snapshots are no longer needed. Those trained by this run are removed once this segment is stored. */
  drop?: string[];
  /** Attempt that made the unusable snapshot which this one replaces; set only when a segment is trained again. */
  instead?: SpoiltPair['instead'];
}

/** Details of the non-retryable failure `SpoiltPair`, an unusable snapshot. The workflow trains its segment again. */
export interface SpoiltPair {
  /** Key of the segment. */
  key: string;
  why: string;
  /** Attempt that made the snapshot; null if there is no manifest that names one. */
  instead: string | null;
}

export interface SegmentResult {
  segment: number;
  /** Hash of all inputs; `stages/segment/<key>/` holds the verified snapshot, the curve and the manifest. */
  key: string;
  /** From 1. */
  epoch: number;
  /** Last iteration, counted over the whole run. */
  iteration: number;
  /** Training loss at the end. */
  loss: number;
  /** Learning rate at the end. */
  rate: number;
  seconds: number;
  reused: boolean;
  /** Other attempts of this segment and their lost work. */
  lost: LostWork;
}

/** Heartbeat details of a segment. */
export interface SegmentProgress {
  split: string;
  epoch: number;
  iteration: number;
  of: number;
  loss: number | null;
  rate: number | null;
  /** Work wasted if the attempt ends now, including that of earlier attempts. */
  wasted: Omit<LostWork, 'attempts'>;
}

/** Heartbeat details of an evaluation. */
export interface JudgingProgress {
  split: string;
  database: string;
  done: number;
  of: number;
}

/** Snapshot at the end of an epoch; `snapshot` is the key of its segment. */
export interface FoundSnapshot {
  snapshot: string;
  epoch: number;
}

export interface EvaluateArgs extends TrainingArgs, FoundSnapshot {}

export interface EvaluatedSnapshot extends FoundSnapshot {
  /** Area under the ROC curve, accuracy and loss on the validation fold, by head. AUC is null if only one class occurs. */
  auc: (number | null)[];
  accuracy: number[];
  loss: number[];
  /** AUC by head on a sample of the training records. */
  training: { records: number; auc: (number | null)[] };
  /** Attempt of the activity that evaluated, from 1; `at` is its end in ISO 8601. */
  attempt: number;
  at: string;
  seconds: number;
  reused: boolean;
}

export interface ScoreArgs extends TrainingArgs {
  /** `stages/train/<key>` */
  prefix: string;
  snapshot: string;
}

export interface ScoredImages {
  /**
   * `<prefix>/scores.csv`: `image,version,level,fold,p<k>…` for every record of the validation and test folds.
   * For images without grades the columns are `image,version,p<k>…`.
   */
  scores: Artifact;
  records: number;
}

export interface FindSnapshotArgs extends TrainingArgs {
  /** `stages/train/<key>` of the finished training. */
  train: string;
}

export interface ScoreDatabaseArgs extends FindSnapshotArgs {
  /** `stages/score/<key>` */
  prefix: string;
  snapshot: string;
  /** Plan that lists the records of the database. */
  plan: Artifact;
  database: BuiltDatabase;
}

/** `stages/train/<key>/segments.json`: keys of all segments, from the first, and of the one with the best snapshot. */
export interface TrainedSegments {
  segments: string[];
  best: string;
}

/** A training up to its latest finished segment. */
interface TrainedSoFar extends TrainingArgs {
  /** Number of finished segments. */
  segments: number;
  rates: GivenRates;
}

export interface CollectCurvesArgs extends TrainedSoFar {
  prefix: string;
  evaluations: EvaluatedSnapshot[];
  /** Key of the segment whose snapshot is the training's result. */
  best: string;
  /** As in `SegmentArgs`. */
  drop: string[];
}

export interface LocateSegmentArgs extends TrainedSoFar {
  key: string;
}

export interface LocatedSegment extends Pick<SegmentArgs, 'segment' | 'previous'> {
  /** Lost work so far, by the stored manifest. */
  lost: LostWork;
}

export interface TrainingActivities {
  /** Validates the network and the databases before training starts, and finds the cached segments. */
  planTraining(args: TrainingArgs): Promise<TrainingPlan>;
  /** Finds the segment of the training that has the key. */
  locateSegment(args: LocateSegmentArgs): Promise<LocatedSegment>;
  /** Trains one segment atomically, from the last verified snapshot to a new one. */
  trainSegment(args: SegmentArgs): Promise<SegmentResult>;
  /** Evaluates a snapshot on the validation fold and on a sample of the training records. */
  evaluateSnapshot(args: EvaluateArgs): Promise<EvaluatedSnapshot>;
  /** Stores the probabilities of the best snapshot for every record of the validation and test folds. */
  scoreImages(args: ScoreArgs): Promise<ScoredImages & { seconds: number }>;
  /**
   * Stores `<prefix>/curves.csv`: `split,epoch,iteration,metric,value,attempt,time`. The split is `<0..k>/<k+1..4>`, or `four heads`
   * for metrics that the heads share. Metrics within an epoch: `loss`, `rate` and the training net's own outputs (`accuracy`,
   * `loss1/loss` …). Metrics at its end: `validation auc`, `validation accuracy`, `validation loss`, and `training auc` of a sample.
   * `attempt` is that of the segment or the evaluation, from 1; `time` is in ISO 8601.
   * Also stores `<prefix>/segments.json` (`TrainedSegments`), the segments that the training refers to.
   */
  collectCurves(args: CollectCurvesArgs): Promise<Record<'curves.csv' | 'segments.json', Artifact>>;
  /** Finds the best snapshot of a finished training. Throws CorruptObject if it is missing, final `BadInput` if the run keeps none. */
  findSnapshot(args: FindSnapshotArgs): Promise<FoundSnapshot>;
  /** Stores the probabilities of that snapshot for a database of ungraded images: `<prefix>/<training>-<database>.csv`. */
  scoreDatabase(args: ScoreDatabaseArgs): Promise<ScoredImages>;
}
