import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { confusionMatrix, quadraticWeightedKappa } from '../../activities/regression/kappa.ts';
import { bestCuts, NATURAL_CUTS, stageOf } from '../../activities/regression/thresholds.ts';
import { seededRandom } from '../../lib/random.ts';

function kappaWith(grades: number[], scores: number[], cuts: readonly number[]): number {
  return quadraticWeightedKappa(
    confusionMatrix(
      grades,
      scores.map(score => stageOf(score, cuts)),
    ),
  )!;
}

/** The best kappa of all rising cuts, by trying each. */
function exhaustive(grades: number[], scores: number[]): number {
  const places = [...new Set(scores)].sort((a, b) => a - b).concat(Infinity);
  let best = -Infinity;
  for (const [a, first] of places.entries()) {
    for (const [b, second] of places.slice(a).entries()) {
      for (const [c, third] of places.slice(a + b).entries()) {
        for (const fourth of places.slice(a + b + c)) {
          best = Math.max(best, kappaWith(grades, scores, [first, second, third, fourth]));
        }
      }
    }
  }
  return best;
}

describe('the four cuts', () => {
  test('reach the kappa of an exhaustive search', () => {
    const eye = fc.record({
      grade: fc.integer({ min: 0, max: 4 }),
      score: fc.integer({ min: -3, max: 8 }).map(n => n / 2),
    });
    fc.assert(
      fc.property(fc.array(eye, { minLength: 1, maxLength: 12 }), eyes => {
        const grades = eyes.map(e => e.grade);
        const scores = eyes.map(e => e.score);
        const cuts = bestCuts(grades, scores);
        expect(cuts).toEqual([...cuts].sort((a, b) => a - b));
        expect(kappaWith(grades, scores, cuts)).toBeCloseTo(exhaustive(grades, scores), 10);
      }),
      { numRuns: 150 },
    );
  });

  test('lie halfway between scores, and where no eye needs them at their natural places', () => {
    expect(bestCuts([0, 0, 1, 1], [0.1, 0.2, 0.4, 0.5])).toEqual([expect.closeTo(0.3), 1.5, 2.5, 3.5]);
    expect(bestCuts([2, 2, 2], [0.1, 0.2, 0.3])).toEqual(NATURAL_CUTS);
    expect(bestCuts([], [])).toEqual(NATURAL_CUTS);
  });

  test('of 35,126 eyes are better than rounding, and no worse for cutting elsewhere', () => {
    const next = seededRandom(1);
    const grades = Array.from({ length: 35_126 }, () => Math.floor(next() ** 4 * 5));
    const scores = grades.map(grade => grade * 0.6 + next() * 2);
    const cuts = bestCuts(grades, scores);
    const best = kappaWith(grades, scores, cuts);
    expect(best).toBeGreaterThan(kappaWith(grades, scores, NATURAL_CUTS));
    for (const k of cuts.keys()) {
      for (const by of [-0.05, -0.01, 0.01, 0.05]) {
        const moved = cuts.map((cut, at) => (at === k ? cut + by : cut));
        expect(kappaWith(grades, scores, moved)).toBeLessThanOrEqual(best);
      }
    }
  });
});
