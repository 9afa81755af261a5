import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

export interface PlanScoringArgs {
  /** `stages/score/<key>` */
  prefix: string;
  /** `stages/prepare/<key>` of the archive's pictures. */
  prepare: string;
  /** The sample submission in the store. */
  sample: Artifact;
  archive: PipelineInput['archive'];
  images: PipelineInput['images'];
  training: PipelineInput['training'];
}

export interface PlannedScoring {
  /** `<prefix>/plan.json`: which records, in which order, each database holds. */
  plan: Artifact;
  /** Databases to build and score: `score-00`, `score-01`, … */
  databases: string[];
  pictures: number;
  /** Pictures of the sample submission that could not be prepared. */
  quarantined: number;
}

export interface WriteSubmissionArgs {
  prefix: string;
  prepare: string;
  sample: Artifact;
  /** `stages/regress/<key>` of the run whose networks have scored. */
  regress: string;
  /** Tables of scores of each training, one for each database. */
  scores: Artifact[][];
  /** Input of that run. */
  regression: PipelineInput['regression'];
}

export interface WrittenSubmission {
  /** `<prefix>/submission.csv`: `image,level`, as the competition wants it, in the order of its sample. */
  submission: Artifact;
  /** `<prefix>/predictions.csv`: `image,p0,p1,p2,p3,expected,level,from`. */
  predictions: Artifact;
  /** Lines by where they come from (`byNetworks`, `byFellow`, `byMajority`) and by stage (`stage0` … `stage4`). */
  counts: Record<string, number>;
}

export interface PublishSubmissionArgs {
  /** The scoring's own id: its folder under `runs/`. */
  run: string;
  prefix: string;
}

export interface ScoringActivities {
  /** Compares the pictures with the sample submission, and deals them into databases. Final `BadInput` where they differ. */
  planScoring(args: PlanScoringArgs): Promise<PlannedScoring>;
  /** Stages of all pictures from the scores and the run's regression, checked against the sample submission. */
  writeSubmission(args: WriteSubmissionArgs): Promise<WrittenSubmission>;
  /** Copies both tables to `runs/<run>/report/`, over what an earlier execution left there. @returns that folder's key */
  publishSubmission(args: PublishSubmissionArgs): Promise<string>;
}
