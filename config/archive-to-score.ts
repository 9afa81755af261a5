/** From a finished run's input to that of scoring another archive with its networks. Pure: workflow code uses it. */
import type { PartialPipelineInput, PipelineInput } from './input.ts';

/** The competition's archive without grades: 53,576 pictures in seven parts. */
export const TEST_ARCHIVE = 'test.zip';
const TEST_PARTS = 7;
const SAMPLE_SUBMISSION = 'sampleSubmission.csv';
/** Fewer made-up patients than this are refused by the input. */
const LEAST_PATIENTS = 20;

export interface ArchiveToScore {
  name?: string;
  parts?: number;
  /** Entries that are pictures; default: as the competition names them, in the folder called like the archive. */
  entries?: string;
  sample?: string;
}

export interface ScoringRequest {
  /** Its name, or all that is different about it; default: `test.zip`. */
  archive?: string | ArchiveToScore;
  /** Where it is; default: where the run's own archive was. */
  source?: string;
  /** The share of its pictures that may be set aside; default: the run's own. */
  maxQuarantined?: number;
}

/** The recipe for the pictures, the networks and the regression stay as they are; what is read is another archive. */
export function inputForScoring(
  run: PipelineInput,
  { archive = TEST_ARCHIVE, source = run.source, maxQuarantined = run.images.maxQuarantined }: ScoringRequest,
): PartialPipelineInput {
  const { name = TEST_ARCHIVE, ...given } = typeof archive === 'string' ? { name: archive } : archive;
  const folder = name.replace(/\.zip$/, '').replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  const { patients, first = 0 } = run.synthetic;
  return {
    ...run,
    source,
    images: { ...run.images, maxQuarantined },
    // Made-up eyes to be scored are other patients than those that were trained on, and a third as many.
    synthetic: {
      ...run.synthetic,
      first: first + patients,
      patients: Math.max(LEAST_PATIENTS, Math.round(patients / 3)),
    },
    archive: {
      competition: run.archive.competition,
      name,
      parts: TEST_PARTS,
      entries: `^${folder}/\\d+_(left|right)\\.jpeg$`,
      sample: SAMPLE_SUBMISSION,
      ...given,
      labels: null,
    },
    until: 'prepare',
  };
}
