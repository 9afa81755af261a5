/** Which strength of the ridge penalty predicts best for patients it has not seen. */
import { seededRandom, shuffled } from './random.ts';
import { momentsOf, predictLinear, solveRidge } from './ridge.ts';

export interface ChosenStrength {
  strength: number;
  /** `cross-validation`, `input` (given by the caller), or `default` where there are too few patients to try. */
  by: 'cross-validation' | 'input' | 'default';
  /** Mean squared error on the left-out patients for each strength that was tried. */
  tried: { strength: number; error: number }[];
}

/** From none that matters to one that leaves little more than the mean: 1e-5 … 10 in steps of √10. */
const STRENGTHS = Array.from({ length: 13 }, (_, i) => 10 ** (-5 + i / 2));
const GROUPS = 5;
const WITHOUT_TRIAL = 0.01;

/**
 * Chooses the strength by five-fold cross-validation over patients: both eyes of one are left out together, or the fellow eye would tell.
 * Among equals the stronger wins.
 * @param patients the patient of each row
 */
export function chooseStrength(
  features: readonly (readonly number[])[],
  y: ArrayLike<number>,
  patients: readonly string[],
  seed: number,
): ChosenStrength {
  // Sorted before it is shuffled: the order of the rows must not matter.
  const names = shuffled([...new Set(patients)].sort(), seededRandom(seed));
  if (names.length < 2 * GROUPS) return { strength: WITHOUT_TRIAL, by: 'default', tried: [] };
  const groupOf = new Map(names.map((name, i) => [name, i % GROUPS]));
  const error = new Array<number>(STRENGTHS.length).fill(0);
  for (let group = 0; group < GROUPS; group++) {
    const kept: number[] = [];
    const leftOut: number[] = [];
    patients.forEach((patient, i) => {
      (groupOf.get(patient) === group ? leftOut : kept).push(i);
    });
    const moments = momentsOf(
      kept.map(i => features[i]!),
      kept.map(i => y[i]!),
    );
    STRENGTHS.forEach((strength, s) => {
      const model = solveRidge(moments, strength);
      for (const i of leftOut) error[s]! += (predictLinear(model, features[i]!) - y[i]!) ** 2 / patients.length;
    });
  }
  const tried = STRENGTHS.map((strength, s) => ({ strength, error: error[s]! }));
  const best = tried.reduce((a, b) => (b.error <= a.error ? b : a));
  return { strength: best.strength, by: 'cross-validation', tried };
}
