import type { PartialPipelineInput, PipelineInput } from '../../config/input.ts';
import type { Json, Manifest, StageFolder, StagePlace } from '../../storage/manifest.ts';
import type { Artifact } from '../../storage/store.ts';

export interface ResolveInputArgs {
  /** The workflow ID, which is the name of the run under `runs/`. */
  run: string;
  input: PartialPipelineInput;
}

/** Checked input with every default, as stored in `runs/<run>/run.json`. */
export interface ResolvedRun {
  run: string;
  input: PipelineInput;
  /** Present when the namespace has the search attributes of the runs, so that the pipeline sets them. */
  searchAttributes?: true;
}

export interface OpenStageArgs {
  run: string;
  /** Name in run.json: `download`, `prepare`, `label`, `train-0-vs-1234`, `regress`. */
  name: string;
  stage: StageFolder;
  recipe: number;
  inputs: Record<string, string>;
  parameters: Json;
}

export interface OpenedStage {
  stage: StageFolder;
  key: string;
  /** `stages/<stage>/<key>`, without a slash at the end. */
  prefix: string;
  /** Counts of the finished stage when equal work was done before. There is no work left then. */
  finished: { counts: Record<string, number>; seconds: number } | null;
  /** One sentence for people: `nothing like it in the store`, `same inputs and parameters as before`, `images.size 256 → 512`. */
  reason: string;
  /** Start of the stage in ms since the epoch. */
  openedAt: number;
}

export interface CloseStageArgs extends OpenStageArgs {
  key: string;
  openedAt: number;
  outputs: Record<string, Artifact>;
  counts: Record<string, number>;
}

export interface StageRecord extends OpenStageArgs {
  key: string;
  reused: boolean;
  reason: string;
  seconds: number;
  finished: boolean;
}

/** Content of `runs/<run>/run.json`. */
export interface RunRecord {
  schemaVersion: 1;
  run: string;
  input: PipelineInput;
  versions: Record<string, string>;
  createdAt: string;
  stages: Record<string, Pick<StageRecord, 'stage' | 'key' | 'reused' | 'reason' | 'seconds' | 'finished'>>;
}

export type StageState = 'waiting' | 'running' | 'done' | 'reused' | 'skipped';

export interface StageProgress {
  state: StageState;
  /** Units finished, out of `of`: parts, shards, databases, epochs over all splits, 1. */
  done: number;
  of: number;
  unit: string;
  /** Milliseconds since the epoch. */
  startedAt: number | null;
  endedAt: number | null;
  /** Reason why the stage is made or reused. */
  reason: string;
  /** Figures for people: images, bytes, quarantined … */
  counts: Record<string, number>;
}

/** Attempts whose work was repeated. */
export interface LostWork {
  attempts: number;
  iterations: number;
  seconds: number;
}

export interface SplitProgress {
  k: number;
  name: string;
  epoch: number;
  epochs: number;
  iteration: number;
  iterations: number;
  loss: number | null;
  accuracy: number | null;
  auc: number | null;
  bestAuc: number | null;
  bestEpoch: number | null;
  segmentsTrained: number;
  segmentsReused: number;
  /** Attempts of segments whose work was repeated, with the iterations and seconds wasted. */
  lost: LostWork;
  /** Results of each epoch. A training sends its parent only the new ones. */
  curve: EpochPoint[];
}

/** Results of a training at the end of an epoch. */
export interface EpochPoint {
  /** Number of the epoch, from 1. */
  epoch: number;
  /** Training loss. */
  loss: number | null;
  /** Loss on the validation fold. */
  validationLoss: number | null;
  auc: number | null;
  /** AUC on a sample of the training records. */
  trainingAuc: number | null;
}

export interface RunActivities {
  /** Checks the input, fills in defaults and stores `runs/<run>/run.json`. Non-retryable `BadInput` on a wrong input. */
  resolveInput(args: ResolveInputArgs): Promise<ResolvedRun>;
  /** Computes the stage's key and returns whether its work is already stored. Records the stage in run.json. */
  openStage(args: OpenStageArgs): Promise<OpenedStage>;
  /**
   * Writes the stage's manifest, the last of its files, and marks the stage as finished in run.json. Adds the attempts at the stage
   * (`Tries`) to its counts, except for a training, and where the workflow's history cannot be read.
   */
  closeStage(args: CloseStageArgs): Promise<Manifest>;
  /** Reads run.json, for a stage's workflow that was started on its own. */
  readRun(args: { run: string }): Promise<RunRecord>;
  /** Reads the manifest of a finished stage. */
  readManifest(args: StagePlace): Promise<Manifest>;
}
