/** What the regression sees of an eye. */
import type { ScoredEye } from './eyes.ts';

export interface FeatureOptions {
  /** The splits whose probabilities are used. */
  splits: readonly number[];
  /** Also those of the fellow eye. */
  fellowEye: boolean;
  /** Also how far the versions of the picture lie apart. */
  spread: boolean;
  /** The mean over the versions, or the first version alone. */
  meanOverVersions: boolean;
}

export interface Features {
  names: string[];
  /** One row for each eye, in the order of the eyes. */
  rows: number[][];
}

/**
 * `p0` … `p3` of the chosen splits, then `spread.p0` …, then `fellow.p0` …: the fellow eye's (mean over its records). An eye whose fellow
 * has no scores lends its own.
 */
export function buildFeatures(eyes: readonly ScoredEye[], options: FeatureOptions): Features {
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

/** The probabilities of each image, mean over its records. */
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

/** `10_left` ↔ `10_right` */
export function fellowOf(image: string): string {
  return image.endsWith('_left') ? image.replace(/_left$/, '_right') : image.replace(/_right$/, '_left');
}
