/** Where a person's look is best spent: the least certain eyes, and grades that all four networks contradict. */
import { describe, expect, test } from 'vitest';
import type { PredictedEye } from '../../activities/regression/fit.ts';
import { confusionMatrix, quadraticWeightedKappa } from '../../activities/regression/kappa.ts';
import { riskCoverage, uncertaintyOf } from '../../activities/regression/risk-coverage.ts';
import { suspectLabels } from '../../activities/regression/suspect-labels.ts';
import { formatSuspects, parseSuspects } from '../../activities/regression/tables.ts';
import { seededRandom } from '../../lib/random.ts';

/** Eyes whose four networks know their stage well, and a few of which are graded wrongly. */
function eyes(count: number, wrong: Record<number, number> = {}): PredictedEye[] {
  const next = seededRandom(11);
  return Array.from({ length: count }, (_, i) => {
    const stage = i % 5;
    const seen = stage + (next() - 0.5) * 0.8;
    const p = [0, 1, 2, 3].map(k => 1 / (1 + Math.exp(-4 * (seen - k - 0.5))));
    const expected = p.reduce((a, b) => a + b, 0);
    return {
      ...{ image: `${i}_left`, version: null, patient: String(i), level: wrong[i] ?? stage, fold: 'test' },
      ...{ p, spread: [0, 0, 0, 0], first: p, versions: 1, expected, predicted: Math.round(expected) },
    } satisfies PredictedEye;
  });
}

describe('suspect labels', () => {
  test('are the wrong grades, the furthest from what was seen first', () => {
    // 100 of each stage: four of them in a hundred were given another.
    const wrong = { 0: 4, 4: 0, 7: 0, 11: 3 };
    const found = suspectLabels(eyes(500, wrong));
    expect(found.slice(0, 4).map(({ image, level, seen }) => [image, level, seen])).toEqual([
      ['0_left', 4, 'less'],
      ['4_left', 0, 'more'],
      ...[
        ['7_left', 0, 'more'],
        ['11_left', 3, 'less'],
      ].sort((a, b) => distanceOf(found, b[0] as string) - distanceOf(found, a[0] as string)),
    ]);
    expect(found.map(({ rank }) => rank)).toEqual(found.map((_, i) => i + 1));
    expect(found.every(({ tail, predicted, level }) => tail <= 0.1 && predicted !== level)).toBe(true);
  });

  test('are none where the regression agrees, or one network is not among the extreme', () => {
    const set = eyes(500, { 0: 4 });
    expect(suspectLabels(set.map(eye => ({ ...eye, predicted: eye.level })))).toEqual([]);
    const doubt = set.map(eye => (eye.image === '0_left' ? { ...eye, p: [...eye.p.slice(0, 3), 1] } : eye));
    expect(suspectLabels(doubt).map(({ image }) => image)).not.toContain('0_left');
  });

  test('come back from suspect-labels.csv as they were', () => {
    const found = suspectLabels(eyes(500, { 0: 4, 4: 0 }));
    expect(parseSuspects(Buffer.from(formatSuspects(found, false)))).toEqual(found);
    const perRecord = found.map(eye => ({ ...eye, version: 'fa' }));
    expect(parseSuspects(Buffer.from(formatSuspects(perRecord, true)))).toEqual(perRecord);
    expect(formatSuspects([], true)).toMatch(/^rank,image,version,level/);
  });
});

function distanceOf(found: readonly { image: string; expected: number; level: number }[], image: string): number {
  const eye = found.find(one => one.image === image)!;
  return Math.abs(eye.expected - eye.level);
}

describe('risk and coverage', () => {
  test('hands over the least certain first: what is left is judged better, and all together better still', () => {
    const next = seededRandom(5);
    const noisy = eyes(2000).map(eye => {
      const blurred = next() < 0.3;
      const p = blurred ? eye.p.map(() => next()).sort((a, b) => b - a) : eye.p;
      const expected = p.reduce((a, b) => a + b, 0);
      return { ...eye, p, expected, predicted: Math.round(expected) };
    });
    const points = riskCoverage(noisy);
    expect(points.map(({ handedOver }) => handedOver)).toEqual(Array.from({ length: 20 }, (_, i) => i / 20));
    const whole = quadraticWeightedKappa(
      confusionMatrix(
        noisy.map(eye => eye.level),
        noisy.map(eye => eye.predicted),
      ),
    );
    expect(points[0]).toEqual({ handedOver: 0, eyes: 2000, qwkOfRest: whole, qwkTogether: whole });
    expect(points[6]!.eyes).toBe(1400);
    expect(points[6]!.qwkOfRest).toBeGreaterThan(whole! + 0.1);
    for (const [i, { qwkTogether }] of points.entries()) {
      if (i > 0) expect(qwkTogether).toBeGreaterThanOrEqual(points[i - 1]!.qwkTogether!);
    }
    expect(riskCoverage([])).toEqual([]);
  });

  test('calls certain what the four networks agree on, and uncertain what kappa would charge much for', () => {
    expect(uncertaintyOf({ p: [1, 1, 0, 0], predicted: 2 })).toBe(0);
    expect(uncertaintyOf({ p: [1, 1, 0, 0], predicted: 0 })).toBe(4);
    expect(uncertaintyOf({ p: [0.5, 0.5, 0.5, 0.5], predicted: 2 })).toBe(4);
    expect(uncertaintyOf({ p: [1, 0.5, 0, 0], predicted: 1 })).toBe(0.5);
  });
});
