/** What the regression sees of an eye. */
import type { ScoredEye } from './eyes.ts';

export interface Features {
  names: string[];
  /** One row for each eye, in the order of the eyes. */
  rows: number[][];
}

/**
 * The four probabilities and, if wanted, the fellow eye's four (mean over its records). An eye whose fellow has no scores lends its own.
 */
export function buildFeatures(eyes: readonly ScoredEye[], fellowEye: boolean): Features {
  const names = ['p0', 'p1', 'p2', 'p3'];
  if (!fellowEye) return { names, rows: eyes.map(eye => eye.p) };
  const records = new Map<string, { p: number[]; records: number }>();
  for (const eye of eyes) {
    const seen = records.get(eye.image) ?? { p: [0, 0, 0, 0], records: 0 };
    records.set(eye.image, { p: seen.p.map((sum, k) => sum + eye.p[k]!), records: seen.records + 1 });
  }
  return {
    names: [...names, ...names.map(name => `fellow.${name}`)],
    rows: eyes.map(eye => {
      const fellow = records.get(fellowOf(eye.image)) ?? { p: eye.p, records: 1 };
      return [...eye.p, ...fellow.p.map(sum => sum / fellow.records)];
    }),
  };
}

/** `10_left` ↔ `10_right` */
function fellowOf(image: string): string {
  return image.endsWith('_left') ? image.replace(/_left$/, '_right') : image.replace(/_right$/, '_left');
}
