/** What the page is made from. Types only. */
import type { PipelineInput } from '../../../config/input.ts';
import type { QuarantinedEntry } from '../../images/types.ts';
import type { Metrics } from '../metrics.ts';
import type { NearDuplicate } from '../near-duplicates.ts';
import type { OtherFolds } from '../other-folds.ts';
import type { Sheet } from '../sheet.ts';
import type { SuspectLabel } from '../suspect-labels.ts';
import type { CurvePoint, ReadPrediction } from '../tables.ts';
import type { WorstEye } from '../worst-eyes.ts';

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
  /** Null where there is none, or pictures are left out. */
  sheet: Sheet | null;
  /** The furthest from its grade first. */
  worst: WorstEye[];
  /** Lines of quarantine.jsonl. */
  quarantine: QuarantinedEntry[];
  /** The same pictures and networks with folds dealt the other way; null where no such run is in the store. */
  otherFolds: OtherFolds | null;
  /** ISO time of the run's start. */
  createdAt: string | null;
}
