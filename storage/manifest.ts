/** What makes a stage complete: `stages/<stage>/<key>/manifest.json`, written last. Types only. */
import type { Artifact } from './store.ts';

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** Names under `stages/`. The four trainings and the four-heads one share `train`; the key tells them apart. */
export type StageFolder = 'synthetic' | 'download' | 'prepare' | 'label' | 'train' | 'segment' | 'regress' | 'score';

export interface Manifest {
  schemaVersion: 1;
  stage: StageFolder;
  /** Hash of inputs, parameters and recipe: 16 hex digits, and the folder's name. */
  key: string;
  /** Raised by hand when the stage's code gives other output for the same input. */
  recipe: number;
  /** Keys or checksums of what the stage read, by name. */
  inputs: Record<string, string>;
  parameters: Json;
  /** What it wrote, by name: `train.zip.001`, `shard-000.tar`, `folds.csv` … */
  outputs: Record<string, Artifact>;
  /** Figures for people and for the report. */
  counts: Record<string, number>;
  /** Wall-clock seconds from opening to closing the stage. */
  seconds: number;
}

/** Where a stage's files lie. */
export interface StagePlace {
  stage: StageFolder;
  key: string;
}
