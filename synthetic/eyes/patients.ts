/** Generates patients: two correlated eyes each, their severity, and the grade that the grader recorded. */
import { Random } from '../../lib/random.ts';
import { type Camera, chooseCamera } from './cameras.ts';
import { choosePigment, type Pigment } from './palette.ts';

export type Side = 'left' | 'right';

export interface EyePlan {
  /** Name of the image file and its label: `10_left`. */
  name: string;
  side: Side;
  /** Recorded grade: 0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative. */
  stage: number;
  /** True severity, continuous from 0, below 5. Its whole part is the grade that a perfect grader would give. */
  severity: number;
  /** Factor of the number of lesions, because eyes of one severity differ. */
  load: number;
}

/** Properties that both eyes of a patient share. */
export interface Patient {
  id: number;
  pigment: Pigment;
  camera: Camera;
  /** Tendency to hard exudates, 1 on average. */
  exudative: number;
  /** Number of drusen, which a healthy eye may have: pale dots that are no sign of diabetes. */
  drusen: number;
  /** Disc to fovea, in thousandths of the field's radius. */
  discToFovea: number;
  /** Radius of the optic disc, in the same unit. */
  discRadius: number;
  /** Tortuosity of the vessels. */
  tortuosity: number;
  /** Visibility of the choroid's own vessels, 0–1. */
  tessellation: number;
  /** Lens opacity, 0–1: a gray veil over the image. */
  cataract: number;
  eyes: EyePlan[];
}

/** Shares of the grades. `competition` is the real training set; `even` gives a small set enough of each. */
export const STAGE_SHARES = {
  even: [0.36, 0.17, 0.19, 0.14, 0.14],
  competition: [25_810 / 35_126, 2_443 / 35_126, 5_292 / 35_126, 873 / 35_126, 708 / 35_126],
} as const;
export type StageMix = keyof typeof STAGE_SHARES;

/** Correlation of the severity of both eyes. Fellow eyes get the same label in 85–90 %, as in the competition (87.2 %). */
const FELLOW_CORRELATION: Record<StageMix, number> = { even: 0.991, competition: 0.983 };
/**
 * Returns the correlation between the recorded grade and the true severity, by the (continuous) recorded grade. Each eye has one
 * grade that was never adjudicated. Graders are more certain that an eye is healthy than of a sick eye's exact grade.
 */
function graderCorrelation(stage: number): number {
  return 0.975 - 0.03 * Math.min(1, Math.max(0, stage - 1));
}

/** Returns the share of a standard normal below `z` (Zelen and Severo 1964, error below 1e-7). */
function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    0.3989422804014327 *
    Math.exp((-z * z) / 2) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z > 0 ? 1 - tail : tail;
}

/** Inverts `normalShare` by bisection. */
function normalQuantile(share: number): number {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * Converts a rank among all eyes (0–1) to a continuous grade. The shares give the whole part, the position within the grade gives the
 * fraction.
 */
function continuousStage(rank: number, mix: StageMix): number {
  let below = 0;
  for (const [stage, share] of STAGE_SHARES[mix].entries()) {
    if (rank < below + share) return stage + (rank - below) / share;
    below += share;
  }
  return 5 - 1e-9;
}

/**
 * Returns the patient at `index` (from 0), which is independent of the number of patients. Ranks follow the golden ratio, so that the
 * first n patients hold the grades in their shares for every n.
 */
export function makePatient(seed: number, index: number, mix: StageMix): Patient {
  const random = new Random(seed, 'patient', index);
  const start = new Random(seed, 'ranks').next();
  const rank = (start + index * 0.6180339887498949) % 1;
  const graded = normalQuantile(Math.min(Math.max(rank, 1e-6), 1 - 1e-6));
  const shared = FELLOW_CORRELATION[mix];
  // The grader sees both eyes, and is strict or lenient with both.
  const grader = random.normal();
  const patientLoad = random.normal(0, 0.25);
  const id = 10 + 2 * index + random.whole(0, 1);
  const eyes = (['left', 'right'] as const).map((side): EyePlan => {
    const own = random.normal();
    const z = Math.sqrt(shared) * graded + Math.sqrt(1 - shared) * own;
    const written = continuousStage(normalShare(z), mix);
    const sure = graderCorrelation(written);
    const truth = sure * z + Math.sqrt(1 - sure ** 2) * (0.8 * grader + 0.6 * random.normal());
    return {
      name: `${id}_${side}`,
      side,
      stage: Math.floor(written),
      severity: continuousStage(normalShare(truth), mix),
      load: Math.exp(patientLoad + random.normal(0, 0.25)),
    };
  });
  return {
    id,
    pigment: choosePigment(random),
    camera: chooseCamera(random),
    exudative: Math.exp(random.normal(-0.15, 0.6)),
    drusen: random.chance(0.14) ? random.whole(4, 26) : 0,
    discToFovea: random.normal(690, 30),
    discRadius: random.normal(122, 8),
    tortuosity: Math.exp(random.normal(0, 0.3)),
    tessellation: random.chance(0.45) ? random.between(0.3, 1) : random.between(0, 0.2),
    cataract: random.chance(0.2) ? random.between(0.15, 0.5) : random.between(0, 0.1),
    eyes,
  };
}

/** Returns `count` patients, from the one at index `first`. */
export function makePatients(seed: number, count: number, mix: StageMix, first = 0): Patient[] {
  return Array.from({ length: count }, (_, index) => makePatient(seed, first + index, mix));
}

/** Returns the labels, `image,level`, one line per eye, in the archive's order. */
export function labelsCsv(patients: Iterable<Patient>): string {
  const lines = ['image,level'];
  for (const { eyes } of patients) for (const { name, stage } of eyes) lines.push(`${name},${stage}`);
  return `${lines.join('\n')}\n`;
}

/** Returns the content of a sampleSubmission.csv as in the competition: the same lines with grade 0 for every eye. */
export function sampleCsv(patients: Iterable<Patient>): string {
  const lines = ['image,level'];
  for (const { eyes } of patients) for (const { name } of eyes) lines.push(`${name},0`);
  return `${lines.join('\n')}\n`;
}
