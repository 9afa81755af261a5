import type { PartialPipelineInput, PipelineInput } from '../../config/input.ts';
import type { Json, Manifest, StageFolder, StagePlace } from '../../storage/manifest.ts';
import type { Artifact } from '../../storage/store.ts';

export interface ResolveInputArgs {
  /** The workflow's id: the name of the run under `runs/`. */
  run: string;
  input: PartialPipelineInput;
}

/** Checked input with every default, as stored in `runs/<run>/run.json`. */
export interface ResolvedRun {
  run: string;
  input: PipelineInput;
  /** The namespace has the search attributes of the runs, and the pipeline is to set them. */
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
  /** The finished stage's counts, when equal work was done before; nothing has to be done then. */
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

/** `runs/<run>/run.json`. */
export interface RunRecord {
  schemaVersion: 1;
  run: string;
  input: PipelineInput;
  versions: Record<string, string>;
  createdAt: string;
  stages: Record<
    string,
    { stage: StageFolder; key: string; reused: boolean; reason: string; seconds: number; finished: boolean }
  >;
}

export interface RunActivities {
  /** Checks the input, fills in defaults and stores `runs/<run>/run.json`. Non-retryable `BadInput` on a wrong input. */
  resolveInput(args: ResolveInputArgs): Promise<ResolvedRun>;
  /** Computes the stage's key and says whether its work is there already. Records the stage in run.json. */
  openStage(args: OpenStageArgs): Promise<OpenedStage>;
  /**
   * Writes the stage's manifest, the last of its files, and marks it finished in run.json. Adds the `Tries` at the stage to its
   * counts, but for a training, and where the workflow's history cannot be read.
   */
  closeStage(args: CloseStageArgs): Promise<Manifest>;
  /** Reads run.json, for a stage's workflow started on its own. */
  readRun(args: { run: string }): Promise<RunRecord>;
  /** Reads a finished stage's manifest. */
  readManifest(args: StagePlace): Promise<Manifest>;
}
