/** Who is photographed: patients with two correlated eyes, how ill each eye is, and what the grader wrote down. */
import { Random } from '../random.ts';
import { type Camera, chooseCamera } from './cameras.ts';
import { choosePigment, type Pigment } from './palette.ts';

export type Side = 'left' | 'right';

export interface EyePlan {
  /** `10_left`: what the file and its label are called. */
  name: string;
  side: Side;
  /** What the grader wrote: 0 none, 1 mild, 2 moderate, 3 severe, 4 proliferative. */
  stage: number;
  /** How ill the eye really is, continuous from 0, below 5; its whole part is the stage that a perfect grader would give. */
  severity: number;
  /** Multiplies the number of lesions: eyes of one severity differ. */
  load: number;
}

/** What both eyes of a patient share. */
export interface Patient {
  id: number;
  pigment: Pigment;
  camera: Camera;
  /** Inclination to hard exudates, 1 on average. */
  exudative: number;
  /** Drusen a healthy eye may have: pale dots that are no sign of diabetes. */
  drusen: number;
  /** Disc to fovea, in thousandths of the field's radius. */
  discToFovea: number;
  /** Radius of the optic disc, in the same unit. */
  discRadius: number;
  /** How much the vessels wind. */
  tortuosity: number;
  /** How much of the choroid's own vessels shines through, 0–1. */
  tessellation: number;
  /** Lens opacity, 0–1: a grey veil over the picture. */
  cataract: number;
  eyes: EyePlan[];
}

/** Shares of the stages: `competition` is the real training set, `even` gives a small set enough of each. */
export const STAGE_SHARES = {
  even: [0.36, 0.17, 0.19, 0.14, 0.14],
  competition: [25_810 / 35_126, 2_443 / 35_126, 5_292 / 35_126, 873 / 35_126, 708 / 35_126],
} as const;
export type StageMix = keyof typeof STAGE_SHARES;

/** Correlation of the two eyes' illness: fellow eyes get the same label in 85–90 %, as in the competition (87.2 %). */
const FELLOW_CORRELATION: Record<StageMix, number> = { even: 0.991, competition: 0.983 };
/**
 * Correlation of what the grader wrote with the eye's true state, by the (continuous) stage written: one grade an eye, never
 * adjudicated, surer of a healthy eye than of how ill an ill one is.
 */
function graderCorrelation(stage: number): number {
  return 0.975 - 0.03 * Math.min(1, Math.max(0, stage - 1));
}

/** The share of a standard normal below `z` (Zelen and Severo 1964, error below 1e-7). */
function normalShare(z: number): number {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const tail =
    0.3989422804014327 *
    Math.exp((-z * z) / 2) *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return z > 0 ? 1 - tail : tail;
}

/** The inverse of `normalShare` by bisection. */
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

/** Rank among all eyes (0–1) → continuous stage: the whole part by the shares, the fraction by the place within the stage. */
function continuousStage(rank: number, mix: StageMix): number {
  let below = 0;
  for (const [stage, share] of STAGE_SHARES[mix].entries()) {
    if (rank < below + share) return stage + (rank - below) / share;
    below += share;
  }
  return 5 - 1e-9;
}

/**
 * The patient at `index` (from 0), the same whatever the number of patients. Ranks follow the golden ratio, so that the first
 * n patients hold the stages in their shares for every n.
 */
export function makePatient(seed: number, index: number, mix: StageMix): Patient {
  const random = new Random(seed, 'patient', index);
  const start = new Random(seed, 'ranks').next();
  const rank = (start + index * 0.6180339887498949) % 1;
  const graded = normalQuantile(Math.min(Math.max(rank, 1e-6), 1 - 1e-6));
  const shared = FELLOW_CORRELATION[mix];
  // The grader sees both eyes and is strict or lenient with both.
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

/** `count` patients from the one at index `first` on. */
export function makePatients(seed: number, count: number, mix: StageMix, first = 0): Patient[] {
  return Array.from({ length: count }, (_, index) => makePatient(seed, first + index, mix));
}
