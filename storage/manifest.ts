/** Types of the manifest, `stages/<stage>/<key>/manifest.json`. It is written last and makes a stage complete. */
import type { Artifact } from './store.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Names under `stages/`. The four trainings and the four-head one share `train`; their keys differ. */
export type StageFolder = 'synthetic' | 'download' | 'prepare' | 'label' | 'train' | 'segment' | 'regress' | 'score';

export interface Manifest {
  schemaVersion: 1;
  stage: StageFolder;
  /** The run that wrote it. */
  run?: string;
  /** Hash of inputs, parameters and recipe: 16 hex digits, and the folder's name. */
  key: string;
  /** Version of the stage's code. Raised by hand when the same input gives different output. */
  recipe: number;
  /** Keys or checksums of the stage's inputs, by name. */
  inputs: Record<string, string>;
  parameters: Json;
  /** Artifacts that the stage wrote, by name: `train.zip.001`, `shard-000.tar`, `folds.csv` … */
  outputs: Record<string, Artifact>;
  /** Figures for the user and for the report. */
  counts: Record<string, number>;
  /** Wall-clock seconds from opening to closing the stage. */
  seconds: number;
}

/** Location of a stage's files: `stages/<stage>/<key>/`. */
export interface StagePlace {
  stage: StageFolder;
  key: string;
}
