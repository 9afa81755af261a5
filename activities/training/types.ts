import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

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

export interface SegmentArgs extends TrainingArgs {
  /** Number of the segment in the whole run, from 0. */
  segment: number;
  /** Key of the segment before; null for the first. */
  previous: string | null;
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
  /** Attempts of this segment known to have been cut short, with what they had done. */
  lost: { attempts: number; iterations: number; seconds: number };
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
}

export interface EvaluatedSnapshot {
  epoch: number;
  snapshot: string;
  /** On the validation fold, per head: area under the ROC curve (null when only one class is there), accuracy, loss. */
  auc: (number | null)[];
  accuracy: number[];
  loss: number[];
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
  /** `<prefix>/scores.csv`: `image,version,level,fold,p<k>…` for every record of the validation and test folds. */
  scores: Artifact;
  records: number;
}

export interface CollectCurvesArgs extends TrainingArgs {
  prefix: string;
  segments: string[];
  evaluations: EvaluatedSnapshot[];
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
   * `validation auc`, `validation accuracy`, `validation loss` at its end. `attempt` at the segment or the judging, from 1; `time` in
   * ISO 8601.
   */
  collectCurves(args: CollectCurvesArgs): Promise<Artifact>;
}
