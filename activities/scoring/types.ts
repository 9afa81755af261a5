import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

export interface PlanScoringArgs {
  /** `stages/score/<key>` */
  prefix: string;
  /** `stages/prepare/<key>` of the archive's images. */
  prepare: string;
  /** Sample submission in the store. */
  sample: Artifact;
  archive: PipelineInput['archive'];
  images: PipelineInput['images'];
  training: PipelineInput['training'];
}

export interface PlannedScoring {
  /** `<prefix>/plan.json`: the records of each database, in order. */
  plan: Artifact;
  /** Databases to build and score: `score-00`, `score-01`, … */
  databases: string[];
  pictures: number;
  /** Number of images of the sample submission that could not be prepared. */
  quarantined: number;
}

export interface WriteSubmissionArgs {
  prefix: string;
  sample: Artifact;
  /** `stages/regress/<key>` of the run whose networks have scored. */
  regress: string;
  /** Tables of scores by training, one for each database. */
  scores: Artifact[][];
  /** Regression settings of that run. */
  regression: PipelineInput['regression'];
}

export interface WrittenSubmission {
  /** `<prefix>/submission.csv`: `image,level` as the competition requires, in the order of its sample. */
  submission: Artifact;
  /** `<prefix>/predictions.csv`: `image,p0,p1,p2,p3,expected,level,from`. */
  predictions: Artifact;
  /** Numbers of lines by origin (`byNetworks`, `byFellow`, `byMajority`) and by grade (`stage0` … `stage4`). */
  counts: Record<string, number>;
}

export interface ScoringActivities {
  /** Compares the images with the sample submission, and assigns them to databases. @throws final `BadInput` where they differ */
  planScoring(args: PlanScoringArgs): Promise<PlannedScoring>;
  /** Writes the grades of all images from the scores and the run's regression, checked against the sample submission. */
  writeSubmission(args: WriteSubmissionArgs): Promise<WrittenSubmission>;
  /** Copies both tables to `runs/<run>/report/`. Overwrites those of an earlier execution. @returns the folder's key prefix */
  publishSubmission(args: { run: string; prefix: string }): Promise<string>;
}
