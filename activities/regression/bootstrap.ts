/** How far a figure could have come out otherwise with other patients. */
import { seededRandom } from './random.ts';

/** A figure of the fold, as a function of how often each eye counts; null where it cannot be computed. */
export type Statistic = (weights: Uint16Array) => number | null;

/** Lower and upper end of the middle 95 %. */
export type Interval = [low: number, high: number];

export interface BootstrapOptions<Name extends string = string, Difference extends string = string> {
  /** Default 1,000. */
  samples?: number;
  seed: number;
  /** Further figures: the first of two statistics less the second, in the same sample. */
  differences?: Record<Difference, readonly [of: Name, over: Name]>;
}

/** A figure that exists in fewer of the samples than this has no interval: what is left would be a selection. */
const NEEDED = 0.9;

/**
 * Percentile bootstrap over patients: each sample draws as many patients as there are, with replacement, and takes all eyes of each, because
 * the eyes of one patient are not independent. The same samples serve every statistic.
 * @param patients the patient of each eye
 * @returns 95 % intervals by name; null where too few samples had a value
 */
export function bootstrapByPatient<Name extends string, Difference extends string = never>(
  patients: readonly string[],
  statistics: Record<Name, Statistic>,
  options: BootstrapOptions<Name, Difference>,
): Record<Name | Difference, Interval | null> {
  const samples = options.samples ?? 1000;
  const numbers = new Map<string, number>();
  for (const patient of patients) if (!numbers.has(patient)) numbers.set(patient, numbers.size);
  const patientOf = Uint32Array.from(patients, patient => numbers.get(patient)!);
  const next = seededRandom(options.seed);
  const names = Object.keys(statistics) as Name[];
  const differences = Object.entries(options.differences ?? {}) as [Difference, readonly [Name, Name]][];
  const values = new Map<Name | Difference, number[]>();
  for (const name of [...names, ...differences.map(([name]) => name)]) values.set(name, []);
  const drawn = new Uint16Array(numbers.size);
  const weights = new Uint16Array(patients.length);
  for (let sample = 0; sample < samples; sample++) {
    drawn.fill(0);
    for (let i = 0; i < drawn.length; i++) drawn[Math.floor(next() * drawn.length)]!++;
    for (let eye = 0; eye < weights.length; eye++) weights[eye] = drawn[patientOf[eye]!]!;
    const drawnValues = new Map(names.map(name => [name, statistics[name](weights)]));
    for (const [name, value] of drawnValues) if (value !== null) values.get(name)!.push(value);
    for (const [name, [of, over]] of differences) {
      const [a, b] = [drawnValues.get(of) ?? null, drawnValues.get(over) ?? null];
      if (a !== null && b !== null) values.get(name)!.push(a - b);
    }
  }
  const intervals = [...values].map(([name, found]): [Name | Difference, Interval | null] => {
    const sorted = found.sort((a, b) => a - b);
    const enough = sorted.length > 0 && sorted.length >= NEEDED * samples;
    return [name, enough ? [quantile(sorted, 0.025), quantile(sorted, 0.975)] : null];
  });
  return Object.fromEntries(intervals) as Record<Name | Difference, Interval | null>;
}

/** Quantile of rising values, linear between neighbours. */
function quantile(sorted: readonly number[], share: number): number {
  const at = share * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  const high = sorted[Math.ceil(at)]!;
  return low + (high - low) * (at - Math.floor(at));
}
