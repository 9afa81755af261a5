/** What a training has come to at the end of an epoch. */
export interface EpochPoint {
  /** From 1. */
  epoch: number;
  /** Training loss. */
  loss: number | null;
  /** On the validation fold. */
  validationLoss: number | null;
  auc: number | null;
  /** Of a sample of the training records; absent in what older releases tell. */
  trainingAuc?: number | null;
}

export interface PageStage {
  name: string;
  state: 'waiting' | 'running' | 'done' | 'reused' | 'skipped';
  done: number;
  of: number;
  unit: string;
  /** Seconds it has taken; null where it has not ended. */
  seconds: number | null;
  /** Why it is made or reused. */
  reason: string;
  counts: Record<string, number>;
}

export interface PageSplit {
  k: number;
  epoch: number;
  epochs: number;
  loss: number | null;
  auc: number | null;
  bestAuc: number | null;
  bestEpoch: number | null;
  /** Attempts whose work was done again. */
  attemptsLost: number;
  curve: EpochPoint[];
}

export interface ProgressPageArgs {
  run: string;
  source: string;
  state: 'running' | 'paused' | 'finished' | 'failed';
  /** What it failed with. */
  why: string | null;
  stages: PageStage[];
  splits: PageSplit[];
}

export interface ProgressPageActivities {
  /** Writes `runs/<run>/report/report.html` as far as the run has come, over what was there. */
  writeProgressPage(args: ProgressPageArgs): Promise<void>;
}
