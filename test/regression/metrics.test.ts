import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { brierScore, reliabilityCurve } from '../../activities/regression/brier.ts';
import {
  accuracyOf,
  confusionMatrix,
  meanAbsoluteError,
  quadraticWeightedKappa,
  recallByStage,
} from '../../activities/regression/kappa.ts';
import { chooseThreshold, operatingPoints } from '../../activities/regression/operating-points.ts';
import { fallingProbabilities, stageProbabilities } from '../../activities/regression/predict-grade.ts';
import { chooseStrength, fitRidge, predictLinear } from '../../activities/regression/ridge.ts';
import { aucStatistic, averagePrecision, ratesAt, rocAuc, rocCurve } from '../../lib/roc.ts';
import { scikitLearnFixture } from '../support/scikit-learn.ts';

interface Case {
  kind: string;
  k: number;
  graded: number[];
  predicted: number[];
  /** 1 where worse than stage k. */
  positive: number[];
  score: number[];
  auc: number | null;
  averagePrecision: number | null;
  brier: number;
  accuracy: number;
  sensitivity: number | null;
  specificity: number | null;
  /** Sensitivity at a specificity of 80, 90, 95 %, then the reverse. */
  operating: number[] | null;
  qwk: number | null;
  mae: number;
  exact: number;
  recall: (number | null)[];
  confusion: number[];
  /** In one case of ten, like `roc`. */
  reliability?: [number, number][];
  roc?: [number[], number[]];
}

interface Fixture {
  madeBy: string;
  fields: string[];
  cases: unknown[][];
  ridge: { features: number[][]; y: number[]; strength: number; weights: number[]; intercept: number }[];
}
const stored = readFileSync(new URL('../fixtures/scikit-learn/metrics.json', import.meta.url), 'utf8');
const fixture: Fixture = JSON.parse(stored);
const cases = fixture.cases.map((values): Case => {
  const row = Object.fromEntries(values.map((value, i) => [fixture.fields[i], value]));
  const graded = [...row.graded].map(Number);
  return {
    ...row,
    graded,
    predicted: [...row.predicted].map(Number),
    positive: graded.map(grade => (grade > row.k ? 1 : 0)),
    score: row.score.match(/../g).map((digits: string) => Number.parseInt(digits, 36) / (36 * 36 - 1)),
    confusion: row.confusion.split('-').map(Number),
  };
});

/** Julian de Wit and Daniel Hammack, 4th of 2015: rows graded, columns predicted. */
const FOURTH_OF_2015 = [
  [24502, 1116, 186, 5, 1],
  [1175, 829, 437, 2, 0],
  [490, 791, 3212, 771, 28],
  [8, 18, 140, 565, 142],
  [3, 3, 50, 146, 506],
];

describe('quadratic weighted kappa', () => {
  test('of the published matrix of the fourth place is 0.8802', () => {
    expect(quadraticWeightedKappa(FOURTH_OF_2015)).toBeCloseTo(0.8802, 4);
    expect(accuracyOf(FOURTH_OF_2015)).toBeCloseTo(0.8431, 4);
    expect(recallByStage(FOURTH_OF_2015)[4]).toBeCloseTo(506 / 708, 12);
  });

  test('is 0 for a constant prediction, even where every grade is the same, and null without eyes', () => {
    expect(quadraticWeightedKappa(confusionMatrix([0, 1, 4, 4], [2, 2, 2, 2]))).toBeCloseTo(0, 12);
    expect(quadraticWeightedKappa(confusionMatrix([3, 3], [3, 3]))).toBe(0);
    expect(quadraticWeightedKappa(confusionMatrix([], []))).toBeNull();
  });
});

describe(`equal to ${fixture.madeBy} within 1e-9`, () => {
  test('1,000 cases, with ties, one class, missing stages and constant predictions', () => {
    expect(cases).toHaveLength(1000);
    expect(new Set(cases.map(one => one.kind))).toEqual(new Set(['plain', 'ties', 'constant', 'one class', 'missing']));
    expect(cases.filter(one => one.auc === null).length).toBeGreaterThan(200);
    expect(cases.filter(one => one.qwk === null).length).toBeGreaterThan(20);
  });

  test.each<[string, (one: Case) => number | null, (one: Case) => number | null]>([
    ['AUC', one => rocAuc(one.positive, one.score), one => one.auc],
    ['average precision', one => averagePrecision(one.positive, one.score), one => one.averagePrecision],
    ['Brier score', one => brierScore(one.positive, one.score), one => one.brier],
    ['accuracy', one => ratesAt(one.positive, one.score, 0.5).accuracy, one => one.accuracy],
    ['sensitivity', one => ratesAt(one.positive, one.score, 0.5).sensitivity, one => one.sensitivity],
    ['specificity', one => ratesAt(one.positive, one.score, 0.5).specificity, one => one.specificity],
    // Theirs is not defined where all grades and predictions are one stage; ours is 0 there.
    ['kappa', one => quadraticWeightedKappa(matrixOf(one)), one => one.qwk ?? 0],
    ['mean absolute error', one => meanAbsoluteError(matrixOf(one)), one => one.mae],
    ['share of right stages', one => accuracyOf(matrixOf(one)), one => one.exact],
  ])('%s', (_, ours, theirs) => {
    for (const one of cases) expectNear(ours(one), theirs(one));
  });

  test('confusion, and recall of each stage', () => {
    for (const one of cases) {
      expect(matrixOf(one).flat()).toEqual(one.confusion);
      for (const [stage, recall] of recallByStage(matrixOf(one)).entries()) expectNear(recall, one.recall[stage]!);
    }
  });

  test('sensitivity at fixed specificity and the reverse, as their ROC curve has them', () => {
    for (const { positive, score, operating } of cases) {
      const judged = { positive, scores: score };
      for (const [i, { fixed, threshold, ...rates }] of operatingPoints(judged, judged).entries()) {
        if (operating === null) expect(threshold).toBeNull();
        else expectNear(rates[fixed === 'specificity' ? 'sensitivity' : 'specificity'], operating[i]!);
      }
    }
  });

  test('reliability curve', () => {
    const withCurve = cases.filter(one => one.reliability?.length);
    expect(withCurve.length).toBeGreaterThan(50);
    for (const { positive, score, reliability } of withCurve) {
      const bins = reliabilityCurve(positive, score);
      expect(bins).toHaveLength(reliability!.length);
      for (const [i, { predicted, observed }] of bins.entries()) {
        expectNear(predicted, reliability![i]![0]);
        expectNear(observed, reliability![i]![1]);
      }
    }
  });

  test('corners of the ROC curve', () => {
    for (const { positive, score, roc } of cases) {
      if (roc === undefined) continue;
      const curve = rocCurve(positive, score);
      const [fpr, tpr] = roc;
      // Every corner of theirs lies on our polyline: ours leaves out only points on a straight line.
      for (const [i, x] of fpr.entries()) {
        const near = curve.some((corner, at) => {
          const next = curve[at + 1] ?? corner;
          const dx = next.falsePositiveRate - corner.falsePositiveRate;
          const dy = next.truePositiveRate - corner.truePositiveRate;
          const cross = dx * (tpr[i]! - corner.truePositiveRate) - dy * (x - corner.falsePositiveRate);
          return (
            Math.abs(cross) < 1e-9 &&
            x >= corner.falsePositiveRate - 1e-9 &&
            x <= next.falsePositiveRate + 1e-9 &&
            tpr[i]! >= corner.truePositiveRate - 1e-9 &&
            tpr[i]! <= next.truePositiveRate + 1e-9
          );
        });
        expect(near, `corner ${x}, ${tpr[i]}`).toBe(true);
      }
      expect(curve.length).toBeLessThanOrEqual(fpr.length);
    }
  });

  test('ridge weights and intercept', () => {
    for (const { features, y, strength, weights, intercept } of fixture.ridge) {
      const model = fitRidge(features, y, strength);
      model.weights.forEach((weight, j) => {
        expect(Math.abs(weight - weights[j]!)).toBeLessThan(1e-9 * Math.max(1, Math.abs(weights[j]!)));
      });
      expectNear(model.intercept, intercept);
    }
  });
});

test.runIf(process.env.RETINOPATHY_LONG)(
  'the pinned scikit-learn says the same again',
  async () => expect(await scikitLearnFixture()).toBe(stored),
  300_000,
);

describe('area under the ROC curve', () => {
  test('counting an eye n times is the same as writing it down n times', () => {
    const eye = fc.record({
      positive: fc.integer({ min: 0, max: 1 }),
      score: fc.integer({ min: 0, max: 6 }).map(n => n / 6),
      times: fc.integer({ min: 0, max: 3 }),
    });
    fc.assert(
      fc.property(fc.array(eye, { maxLength: 25 }), eyes => {
        const written = eyes.flatMap(({ times, ...rest }) => new Array(times).fill(rest) as typeof eyes);
        const weighted = aucStatistic(
          eyes.map(e => e.positive),
          eyes.map(e => e.score),
        )(eyes.map(e => e.times));
        const plain = rocAuc(
          written.map(e => e.positive),
          written.map(e => e.score),
        );
        expect(weighted).toBe(plain);
      }),
    );
  });
});

describe('operating points', () => {
  test('keep the target where they are chosen, and no neighbouring threshold does better', () => {
    const eye = fc.record({
      positive: fc.integer({ min: 0, max: 1 }),
      score: fc.integer({ min: 0, max: 20 }).map(n => n / 20),
    });
    fc.assert(
      fc.property(fc.array(eye, { minLength: 2, maxLength: 40 }), fc.constantFrom(0.8, 0.9, 0.95), (eyes, target) => {
        const positive = eyes.map(e => e.positive);
        const scores = eyes.map(e => e.score);
        fc.pre(positive.includes(1) && positive.includes(0));
        const candidates = [...scores, 2].map(threshold => ratesAt(positive, scores, threshold));
        for (const [fixed, other] of [
          ['specificity', 'sensitivity'],
          ['sensitivity', 'specificity'],
        ] as const) {
          const threshold = chooseThreshold(positive, scores, fixed, target)!;
          const got = ratesAt(positive, scores, threshold);
          const best = Math.max(...candidates.filter(c => c[fixed]! >= target).map(c => c[other]!));
          expect(got[fixed]!).toBeGreaterThanOrEqual(target);
          expect(got[other]).toBe(best);
        }
      }),
    );
  });

  test('are null where the validation fold lacks a class, and where the test fold does', () => {
    const oneClass = { positive: [0, 0], scores: [0.1, 0.2] };
    const both = { positive: [0, 1], scores: [0.1, 0.2] };
    expect(operatingPoints(oneClass, both).every(point => point.threshold === null)).toBe(true);
    const [point] = operatingPoints(both, oneClass);
    expect(point).toMatchObject({ fixed: 'specificity', target: 0.8, sensitivity: null, specificity: 0.5 });
  });
});

describe('probabilities', () => {
  test('that rise are pooled to the nearest falling ones', () => {
    expect(fallingProbabilities([0.9, 0.2, 0.4, 0.1])).toEqual([0.9, expect.closeTo(0.3), expect.closeTo(0.3), 0.1]);
    expect(fallingProbabilities([0.1, 0.2, 0.3, 0.4])).toEqual(new Array(4).fill(expect.closeTo(0.25)));
  });

  test('of the stages are never negative and sum to 1', () => {
    const p = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(p, four => {
        const stages = stageProbabilities(four);
        expect(Math.min(...stages)).toBeGreaterThanOrEqual(-1e-15);
        expect(stages.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
      }),
    );
  });

  test('in the reliability curve are counted once each, 1 included', () => {
    expect(reliabilityCurve([0, 1, 1], [0.05, 0.95, 1])).toEqual([
      { eyes: 1, predicted: 0.05, observed: 0 },
      { eyes: 2, predicted: 0.975, observed: 1 },
    ]);
  });
});

describe('ridge', () => {
  test('of a constant feature and of a feature given twice stays finite', () => {
    const features = [0, 1, 2, 3].map(x => [x, x, 0.1]);
    const model = fitRidge(features, [1, 3, 5, 7], 0);
    expect(model.weights).toEqual([expect.closeTo(1), expect.closeTo(1), 0]);
    expect(model.intercept).toBeCloseTo(1);
    expect(predictLinear(model, [4, 4, 0.1])).toBeCloseTo(9);
  });

  test('picks a weak penalty where the features tell, a strong one where they are noise, whatever the order of the rows', () => {
    let state = 1;
    const chance = () => {
      state = (state * 48271) % 2147483647;
      return state / 2147483647 - 0.5;
    };
    const rows = Array.from({ length: 200 }, (_, i) => ({
      x: [chance(), chance(), chance(), chance()],
      patient: String(i >> 1),
    }));
    const telling = rows.map(row => ({ ...row, y: row.x[0]! * 3 - row.x[2]! + chance() * 0.01 }));
    const noise = rows.map(row => ({ ...row, y: chance() }));
    const strengthOf = (set: typeof telling) =>
      chooseStrength(
        set.map(row => row.x),
        set.map(row => row.y),
        set.map(row => row.patient),
        7,
      ).strength;
    expect(strengthOf(telling)).toBeLessThan(0.001);
    expect(strengthOf(noise)).toBeGreaterThan(0.5);
    expect(strengthOf([...noise].reverse())).toBe(strengthOf(noise));
  });
});

function matrixOf({ graded, predicted }: Pick<Case, 'graded' | 'predicted'>): number[][] {
  return confusionMatrix(graded, predicted);
}

function expectNear(ours: number | null, theirs: number | null): void {
  if (theirs === null || ours === null) expect(ours).toBe(theirs);
  else expect(Math.abs(ours - theirs)).toBeLessThan(1e-9);
}
