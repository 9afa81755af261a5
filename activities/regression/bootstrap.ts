/** Computes confidence intervals of statistics by a bootstrap over patients. */
import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../../lib/random.ts';

/** Computes a figure of the fold from the number of times that each eye counts. Returns null where it cannot be computed. */
export type Statistic = (weights: Uint16Array) => number | null;

/** Lower and upper bound of the middle 95 %. */
export type Interval = [low: number, high: number];

/** Returns the statistic `of` minus `over`, computed on the same sample. */
export function difference(of: Statistic, over: Statistic): Statistic {
  return weights => {
    const [a, b] = [of(weights), over(weights)];
    return a === null || b === null ? null : a - b;
  };
}

/** Minimum share of samples that need a value for an interval. With fewer, the remaining values would be a biased selection. */
const NEEDED = 0.9;

/**
 * Runs a percentile bootstrap over patients. Each sample draws as many patients as there are, with replacement. It takes all eyes of
 * each patient, because these are not independent. All statistics use the same samples. The loop yields before each sample, so that
 * heartbeats can be sent.
 * @param patients the patient of each eye
 * @returns 95 % intervals by name; null where too few samples had a value
 */
export async function bootstrapByPatient<Name extends string>(
  patients: readonly string[],
  statistics: Record<Name, Statistic>,
  { samples = 1000, seed }: { samples?: number; seed: number },
): Promise<Record<Name, Interval | null>> {
  const numbers = new Map<string, number>();
  for (const patient of patients) if (!numbers.has(patient)) numbers.set(patient, numbers.size);
  const patientOf = Uint32Array.from(patients, patient => numbers.get(patient)!);
  const next = seededRandom(seed);
  const figures = Object.entries<Statistic>(statistics).map(([name, statistic]) => {
    const values: number[] = [];
    return { name, statistic, values };
  });
  const drawn = new Uint16Array(numbers.size);
  const weights = new Uint16Array(patients.length);
  for (let sample = 0; sample < samples; sample++) {
    await setImmediate();
    drawn.fill(0);
    for (let i = 0; i < drawn.length; i++) drawn[Math.floor(next() * drawn.length)]!++;
    for (let eye = 0; eye < weights.length; eye++) weights[eye] = drawn[patientOf[eye]!]!;
    for (const { statistic, values } of figures) {
      const value = statistic(weights);
      if (value !== null) values.push(value);
    }
  }
  const intervals = figures.map(({ name, values }): [string, Interval | null] => {
    const sorted = values.sort((a, b) => a - b);
    const enough = sorted.length > 0 && sorted.length >= NEEDED * samples;
    return [name, enough ? [quantile(sorted, 0.025), quantile(sorted, 0.975)] : null];
  });
  return Object.fromEntries(intervals) as Record<Name, Interval | null>;
}

/** Returns a quantile of ascending values, with linear interpolation. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}
