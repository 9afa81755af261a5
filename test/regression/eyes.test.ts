import { expect, test } from 'vitest';
import { type FoldRow, joinScores, type ScoreTable } from '../../activities/regression/eyes.ts';
import { buildFeatures } from '../../activities/regression/features.ts';

const folds: FoldRow[] = ['1_left', '1_right', '2_left'].map(image => ({
  ...{ image, patient: image[0]!, level: 1, fold: 'test', version: null },
}));
/** All splits alike: version by version what `p` says of each eye. */
const table = (p: Record<string, number[]>): ScoreTable => ({
  ...{ name: 'scores.csv', splits: [0, 1, 2, 3] },
  rows: Object.entries(p).flatMap(([image, values]) =>
    values.map((value, i) => ({
      ...{ image, version: 'arx'[i]!, level: 1, fold: 'test' as const },
      p: [value, value / 2, value / 4, 0],
    })),
  ),
});
const eyes = joinScores(folds, [table({ '1_left': [0.2, 0.6], '1_right': [0.1, 0.1], '2_left': [1, 0.5] })]);

test('an eye has the mean of its versions, their spread, and the first', () => {
  const [left, right] = eyes;
  expect(left).toMatchObject({ first: [0.2, 0.1, 0.05, 0], versions: 2 });
  expect(left!.p).toEqual([0.4, 0.2, 0.1, 0].map(p => expect.closeTo(p, 12)));
  expect(left!.spread).toEqual([0.2, 0.1, 0.05, 0].map(p => expect.closeTo(p, 12)));
  // To the last bit: a spread that is only rounding would become a feature.
  expect(right!.spread).toEqual([0, 0, 0, 0]);
});

test('features are those that were asked for, in the order of their names', () => {
  const all = { splits: [0, 1], fellowEye: true, spread: true, meanOverVersions: false };
  const { names, rows } = buildFeatures(eyes, all);
  expect(names).toEqual(['p0', 'p1', 'spread.p0', 'spread.p1', 'fellow.p0', 'fellow.p1']);
  const near = (...row: number[]) => row.map(x => expect.closeTo(x, 12));
  expect(rows[0]).toEqual(near(0.2, 0.1, 0.2, 0.1, 0.1, 0.05));
  expect(rows[1]).toEqual(near(0.1, 0.05, 0, 0, 0.2, 0.1));
  // Without a fellow: its own.
  expect(rows[2]).toEqual(near(1, 0.5, 0.25, 0.125, 1, 0.5));
  const mean = buildFeatures(eyes, { ...all, splits: [0], fellowEye: false, spread: false, meanOverVersions: true });
  expect(mean).toEqual({ names: ['p0'], rows: [near(0.4), near(0.1), near(0.75)] });
});
