/** Eyes whose four networks have a known quality, as many as one likes. Pure. */
import type { ScoredEye } from '../../../activities/regression/eyes.ts';
import { seededRandom } from '../../../lib/random.ts';

export interface Kind {
  /** Shares of the stages 0–4. */
  stages: readonly number[];
  /** Slope of P(y>k) over what a network sees, per stage. */
  slope: number;
}

/** The competition's stages, and networks that are too sure of what they say, as networks are: there is much for a regression to mend. */
export const COMPETITION: Kind = {
  stages: [25_810, 2_443, 5_292, 873, 708].map(count => count / 35_126),
  slope: 2,
};
/** All stages alike, and probabilities that are about right: to add them up is as good as anything. */
export const EASY: Kind = { stages: [0.2, 0.2, 0.2, 0.2, 0.2], slope: 1.4 };

/** Of 17,563 pairs of eyes so many have the same stage. */
const SAME_STAGE = 0.872;
/** Standard deviation of what the networks see of an eye, in stages: shared by all four, of each alone, of each version. */
const NOISE = { eye: 0.9, network: 0.7, version: 0.4 };
const VERSIONS = 4;

/** Both eyes of each patient, all in one fold. Each network sees the stage through noise and turns it into P(y>k). */
export function simulateEyes(
  { stages, slope }: Kind,
  seed: number,
  patients: number,
  foldOf: (share: number) => ScoredEye['fold'] | null,
): ScoredEye[] {
  const next = seededRandom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const stageAt = (share: number) => {
    let stage = 0;
    for (let at = share - stages[0]!; at >= 0 && stage < 4; at -= stages[stage]!) stage++;
    return stage;
  };
  const eyes: ScoredEye[] = [];
  for (let patient = 0; patient < patients; patient++) {
    const fold = foldOf(next());
    const both = next();
    for (const side of ['left', 'right']) {
      const level = stageAt(next() < SAME_STAGE ? both : next());
      const eye: ScoredEye = {
        ...{ image: `${patient}_${side}`, patient: String(patient), version: null, level },
        ...{ fold: fold ?? 'test', p: [], spread: [], first: [], versions: VERSIONS },
      };
      const shared = level + NOISE.eye * normal();
      for (let k = 0; k < 4; k++) {
        const seen = shared + NOISE.network * normal();
        const p = Array.from(
          { length: VERSIONS },
          () => 1 / (1 + Math.exp(-slope * (seen + NOISE.version * normal() - k - 0.5))),
        );
        const mean = p.reduce((a, b) => a + b, 0) / VERSIONS;
        eye.p.push(mean);
        eye.first.push(p[0]!);
        eye.spread.push(Math.sqrt(p.reduce((sum, x) => sum + (x - mean) ** 2, 0) / VERSIONS));
      }
      if (fold !== null) eyes.push(eye);
    }
  }
  return eyes;
}

/** Folds of the competition's input: 70 % trained on, which the regression never sees. */
export function heldOut(share: number): ScoredEye['fold'] | null {
  if (share < 0.7) return null;
  return share < 0.85 ? 'validation' : 'test';
}
