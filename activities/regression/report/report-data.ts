/** What the page is made from. Types only. */
import type { PipelineInput } from '../../../config/input.ts';
import type { Metrics } from '../metrics.ts';
import type { NearDuplicate } from '../near-duplicates.ts';
import type { Sheet } from '../sheet.ts';
import type { SuspectLabel } from '../suspect-labels.ts';
import type { CurvePoint, ReadPrediction } from '../tables.ts';

export interface ReportData {
  metrics: Metrics;
  input: PipelineInput;
  predictions: ReadPrediction[];
  curves: CurvePoint[];
  /** Lines of suspect-labels.csv, the furthest from its grade first. */
  suspects: SuspectLabel[];
  /** Lines of near-duplicates.csv, the closest first; empty also where the pictures have no hashes (`metrics.nearDuplicates` is null). */
  nearDuplicates: NearDuplicate[];
  /** What each finished stage counted, by its name in run.json; empty where run.json is not there. */
  stageCounts: Record<string, Record<string, number>>;
  sheet: Sheet | null;
  /** ISO time of the run's start. */
  createdAt: string | null;
}
