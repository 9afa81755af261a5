/** Data that the page shows. Types only. */
import type { PipelineInput } from '../../config/input.ts';
import type { QuarantinedEntry } from '../images/types.ts';
import type { NearDuplicate } from '../regression/near-duplicates.ts';
import type { SuspectLabel } from '../regression/suspect-labels.ts';
import type { CurvePoint, ReadPrediction } from '../regression/tables.ts';
import type { WorstEye } from '../regression/worst-errors.ts';
import type { Metrics, RunProgress } from './types.ts';

/** Data that every run has, finished or not. */
export interface RunData {
  run: string;
  input: PipelineInput;
  versions: Record<string, string>;
  /** ISO time of the run's start. */
  createdAt: string;
  curves: CurvePoint[];
  /** Contact sheet; null where there is none, or images are left out. */
  sheet: { jpeg: Buffer; width: number; height: number } | null;
  /** Progress of the run; null for a run with results. */
  progress: RunProgress | null;
}

export interface ReportData extends RunData {
  metrics: Metrics;
  predictions: ReadPrediction[];
  /** Lines of suspect-labels.csv, the furthest from its grade first. */
  suspects: SuspectLabel[];
  /** Lines of near-duplicates.csv, the closest first; empty also where the images have no hashes (`metrics.nearDuplicates` is null). */
  nearDuplicates: NearDuplicate[];
  /** Counts of each finished stage, by its name in run.json. */
  stageCounts: Record<string, Record<string, number>>;
  /** Test eyes with the largest errors, the furthest from its grade first. */
  worst: WorstEye[];
  /** Lines of quarantine.jsonl. */
  quarantine: QuarantinedEntry[];
}
