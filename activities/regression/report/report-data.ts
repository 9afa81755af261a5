/** What the page is made from. Types only. */
import type { PipelineInput } from '../../../config/input.ts';
import type { Metrics } from '../metrics.ts';
import type { Sheet } from '../sheet.ts';
import type { CurvePoint, ReadPrediction } from '../tables.ts';

export interface ReportData {
  metrics: Metrics;
  input: PipelineInput;
  predictions: ReadPrediction[];
  curves: CurvePoint[];
  /** What each finished stage counted, by its name in run.json; empty where run.json is not there. */
  stageCounts: Record<string, Record<string, number>>;
  sheet: Sheet | null;
  /** ISO time of the run's start. */
  createdAt: string | null;
}
