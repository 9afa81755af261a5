/** Builds the features of the regression. */
import type { ScoredEye } from './eyes.ts';

export interface FeatureOptions {
  /** Splits whose probabilities are used. */
  splits: readonly number[];
  /** Adds the probabilities of the fellow eye. */
  fellowEye: boolean;
  /** Adds the standard deviation over the versions of the image. */
  spread: boolean;
  /** True for the mean over the versions, false for the first version alone. */
  meanOverVersions: boolean;
}

/**
 * Returns names and rows of the features: `p0` … `p3` of the chosen splits, then `spread.p0` …, then `fellow.p0` …. The last are the
 * fellow eye's, mean over its records. Where the fellow eye has no scores, the eye's own are used. Rows are in the order of the eyes.
 */
export function buildFeatures(eyes: readonly ScoredEye[], options: FeatureOptions) {
  const { splits, fellowEye, spread, meanOverVersions } = options;
  const names = splits.map(k => `p${k}`);
  const probabilitiesOf = (eye: ScoredEye) => (meanOverVersions ? eye.p : eye.first);
  const fellows = fellowEye ? fellowMeans(eyes, probabilitiesOf) : undefined;
  return {
    names: [
      ...names,
      ...(spread ? names.map(name => `spread.${name}`) : []),
      ...(fellowEye ? names.map(name => `fellow.${name}`) : []),
    ],
    rows: eyes.map(eye => {
      const own = probabilitiesOf(eye);
      const row = splits.map(k => own[k]!);
      if (spread) for (const k of splits) row.push(eye.spread[k]!);
      if (fellows) for (const k of splits) row.push((fellows.get(fellowOf(eye.image)) ?? own)[k]!);
      return row;
    }),
  };
}

/** Returns the probabilities of each image, mean over its records. */
function fellowMeans(
  eyes: readonly ScoredEye[],
  probabilitiesOf: (eye: ScoredEye) => readonly number[],
): Map<string, number[]> {
  const records = new Map<string, { p: number[]; records: number }>();
  for (const eye of eyes) {
    const p = probabilitiesOf(eye);
    const seen = records.get(eye.image) ?? { p: [0, 0, 0, 0], records: 0 };
    records.set(eye.image, { p: seen.p.map((sum, k) => sum + p[k]!), records: seen.records + 1 });
  }
  return new Map([...records].map(([image, { p, records }]) => [image, p.map(sum => sum / records)]));
}

/** Returns the name of the fellow eye: `10_left` ↔ `10_right`. */
export function fellowOf(image: string): string {
  return image.endsWith('_left') ? image.replace(/_left$/, '_right') : image.replace(/_right$/, '_left');
}
