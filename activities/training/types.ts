import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { BuiltDatabase } from '../labels/types.ts';

/** Thresholds a network is trained on: `[k]` for the split <0..k>/<k+1..4>, `[0,1,2,3]` for four heads. */
export type Heads = number[];

export interface TrainingArgs {
  run: string;
  /** `train-0-vs-1234` … or `train-four-heads` */
  name: string;
  heads: Heads;
  /** `stages/label/<key>`: its manifest lists databases and mean. */
  label: string;
  training: PipelineInput['training'];
  images: PipelineInput['images'];
}

export interface TrainingPlan {
  /** Whole run. */
  iterations: number;
  epochs: number;
  segmentsPerEpoch: number;
  /** Checksum of everything the chain of segments starts from: net, databases, mean, weights. Input of the stage's key. */
  origin: string;
  /** Finished segments already in the store, from the first on without a gap. */
  done: SegmentResult[];
}

/** Leave to use a graphics card, dealt so that the trainings of a run advance in turn. */
export interface Turn {
  /** Id of the workflow that deals the turns: the activity tells it that it has begun, and another task may be queued. */
  dealer: string;
  /** Of the training. */
  name: string;
  /** Of the training's requests, from 1. */
  number: number;
}

export interface SegmentArgs extends TrainingArgs {
  /** Number of the segment in the whole run, from 0. */
  segment: number;
  /** Key of the segment before; null for the first. */
  previous: string | null;
  /** Learning rate of a segment beyond the planned end, where somebody has given one. */
  rate?: number;
  /** Segments whose pairs the training may still need, beside the one before and this one. */
  keep?: string[];
  /** Segments whose pairs it needs no longer: they are removed once this one is stored, unless another training holds them. */
  drop?: string[];
  /** Set where the segment was trained before and its pair cannot be used: the attempt that made it. */
  instead?: SpoiltPair['instead'];
  turn?: Turn | undefined;
}

/** Details of the non-retryable failure `SpoiltPair`: whose pair cannot be used, and why. The workflow has it trained again. */
export interface SpoiltPair {
  /** Key of the segment. */
  key: string;
  why: string;
  /** The attempt whose pair it is; null where there is no manifest to name one. */
  instead: { attempt: string; reason: LossReason & ('spoilt' | 'removed'); seconds: number } | null;
}

/**
 * Why the work of an attempt was lost: its process or Caffe was killed, its worker was shut down, by itself or after a notice of
 * the machine's end, it was cancelled, it failed, its pair was found spoilt or had been removed, another attempt was quicker.
 */
export type LossReason = 'killed' | 'shut down' | 'notice' | 'cancelled' | 'failed' | 'spoilt' | 'removed' | 'late';

/** Attempts whose work was done again. */
export interface LostWork {
  attempts: number;
  iterations: number;
  seconds: number;
  /** Attempts by reason. */
  reasons: Partial<Record<LossReason, number>>;
}

export interface SegmentResult {
  segment: number;
  /** Hash of all that went into it; `stages/segment/<key>/` holds its verified pair, curves and manifest. */
  key: string;
  /** From 1. */
  epoch: number;
  /** The iteration it ends at, counted over the whole run. */
  iteration: number;
  /** Training loss at its end. */
  loss: number;
  /** Learning rate at its end. */
  rate: number;
  seconds: number;
  reused: boolean;
  /** The other attempts of this segment, with what they had done. Histories of older releases know no `reasons`. */
  lost: Omit<LostWork, 'reasons'> & Partial<LostWork>;
}

/** Heartbeat details of a segment. */
export interface SegmentProgress {
  split: string;
  epoch: number;
  iteration: number;
  of: number;
  loss: number | null;
  rate: number | null;
}

/** Heartbeat details while a snapshot judges records. */
export interface JudgingProgress {
  split: string;
  database: string;
  done: number;
  of: number;
}

export interface EvaluateArgs extends TrainingArgs {
  /** The segment whose snapshot is judged. */
  snapshot: string;
  epoch: number;
  turn?: Turn | undefined;
}

export interface EvaluatedSnapshot {
  epoch: number;
  snapshot: string;
  /** On the validation fold, per head: area under the ROC curve (null when only one class is there), accuracy, loss. */
  auc: (number | null)[];
  accuracy: number[];
  loss: number[];
  /** The same on a sample of the training records; older releases did not look. */
  training?: { records: number; auc: (number | null)[] };
  /** Which attempt of the activity judged, from 1, and when it ended (ISO 8601). */
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
  /** `<prefix>/scores.csv`: `image,version,level,fold,p<k>…` for every record of the validation and test folds; of pictures without grades `image,version,p<k>…`. */
  scores: Artifact;
  records: number;
  /** Histories of older releases know none. */
  seconds?: number;
}

export interface FindSnapshotArgs extends TrainingArgs {
  /** `stages/train/<key>` of the finished training. */
  train: string;
}

export interface FoundSnapshot {
  /** Key of the segment. */
  snapshot: string;
  epoch: number;
}

export interface ScoreDatabaseArgs extends TrainingArgs {
  /** `stages/score/<key>` */
  prefix: string;
  snapshot: string;
  /** Which records the database holds. */
  plan: Artifact;
  database: BuiltDatabase;
}

export interface CollectCurvesArgs extends TrainingArgs {
  prefix: string;
  segments: string[];
  evaluations: EvaluatedSnapshot[];
  /** As for a segment: the training ends here, so what is kept is what stays. */
  keep?: string[];
  drop?: string[];
}

export interface TrainingActivities {
  /** Checks the network and the databases before any GPU time, and finds the segments that are done. */
  planTraining(args: TrainingArgs): Promise<TrainingPlan>;
  /** Trains one segment from the last verified pair and ends with a verified pair: wholly or not at all. */
  trainSegment(args: SegmentArgs): Promise<SegmentResult>;
  /** Probabilities of a snapshot on the validation fold, and what they are worth. */
  evaluateSnapshot(args: EvaluateArgs): Promise<EvaluatedSnapshot>;
  /** Probabilities of the best snapshot on every record of the validation and test folds. */
  scoreImages(args: ScoreArgs): Promise<ScoredImages>;
  /**
   * `<prefix>/curves.csv`: `split,epoch,iteration,metric,value,attempt,time`. The split is named `<0..k>/<k+1..4>`, or `four heads` for what
   * those share. Metrics: `loss`, `rate` and the training net's own outputs (`accuracy`, `loss1/loss` …) within an epoch;
   * `validation auc`, `validation accuracy`, `validation loss`, and `training auc` of a sample at its end. `attempt` at the segment or the judging, from 1; `time` in
   * ISO 8601.
   */
  collectCurves(args: CollectCurvesArgs): Promise<Artifact>;
  /** The snapshot that a finished training has chosen. Final `BadInput` when it is no longer in the store. */
  findSnapshot(args: FindSnapshotArgs): Promise<FoundSnapshot>;
  /** Probabilities of that snapshot on a database of pictures without grades: `<prefix>/<training>-<database>.csv`. */
  scoreDatabase(args: ScoreDatabaseArgs): Promise<ScoredImages>;
}
