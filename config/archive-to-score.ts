/** Input for scoring another archive with the networks of a finished run. Pure: workflow code uses it. */
import type { PartialPipelineInput, PipelineInput } from './input.ts';

/** The competition's archive without grades: 53,576 images in seven parts. */
export const TEST_ARCHIVE = 'test.zip';
const TEST_PARTS = 7;
const SAMPLE_SUBMISSION = 'sampleSubmission.csv';
/** Minimum number of synthetic patients that the input accepts. */
const LEAST_PATIENTS = 20;

export interface ArchiveToScore {
  name?: string;
  parts?: number;
  /** Pattern of the entries that are images; default: the competition's names, in a folder named after the archive. */
  entries?: string;
  sample?: string;
}

export interface ScoringRequest {
  /** Name of the archive, or all of its settings that differ; default: `test.zip`. */
  archive?: string | ArchiveToScore;
  /** Source of the archive; default: that of the run. */
  source?: string;
  /** Share of its images that may be quarantined; default: that of the run. */
  maxQuarantined?: number;
}

/** Returns the run's input with another archive. The settings of the images, the networks and the regression stay. */
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
    // Synthetic eyes to score belong to other patients than those of the training, and are a third as many.
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
