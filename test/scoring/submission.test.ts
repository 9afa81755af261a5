/** What is handed in: exactly the pictures of the sample, each with a stage, whatever was set aside. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planScoring } from '../../activities/labels/database-plan.ts';
import {
  checkNames,
  fillSubmission,
  formatSubmission,
  parseArchiveScores,
  predictStages,
  SampleMismatch,
} from '../../activities/scoring/submission.ts';

const SAMPLE = ['1_left', '1_right', '2_left', '2_right'];

describe('checkNames', () => {
  it('takes the pictures of the sample in any order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(SAMPLE, { minLength: SAMPLE.length }), names => {
        checkNames('test.zip', names, SAMPLE);
      }),
    );
  });

  it.each([
    [['1_left', '1_right', '2_left'], '1 missing (2_right)'],
    [[...SAMPLE, '3_left'], '1 that the sample does not name (3_left)'],
    [[...SAMPLE, '1_left'], '1 there twice (1_left)'],
    [[], '4 missing (1_left, 1_right, 2_left, …)'],
    [
      ['1_left', '1_left', '9_left'],
      '3 missing (1_right, 2_left, 2_right), 1 that the sample does not name (9_left), 1 there twice (1_left)',
    ],
  ])('refuses %j', (names, got) => {
    const message = `Expected test.zip to hold the 4 pictures of the sample submission, got ${got}`;
    expect(() => checkNames('test.zip', names, SAMPLE)).toThrow(new SampleMismatch(message));
  });
});

describe('fillSubmission', () => {
  it('lends an eye that no network has seen the stage of its fellow, and the majority where there is none', () => {
    const eyes = fillSubmission(SAMPLE, new Map([['1_right', 3]]), 0);
    expect(eyes).toEqual([
      { image: '1_left', level: 3, from: 'fellow' },
      { image: '1_right', level: 3, from: 'networks' },
      { image: '2_left', level: 0, from: 'majority' },
      { image: '2_right', level: 0, from: 'majority' },
    ]);
    expect(formatSubmission(eyes)).toBe('image,level\n1_left,3\n1_right,3\n2_left,0\n2_right,0\n');
  });

  it('has a line for each picture of the sample, in its order, whatever was scored', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...SAMPLE), fc.nat(4)), scored => {
        const eyes = fillSubmission(SAMPLE, new Map(Object.entries(scored)), 2);
        expect(eyes.map(({ image }) => image)).toEqual(SAMPLE);
        for (const { image, level, from } of eyes) {
          expect(from === 'networks').toBe(image in scored);
          if (from === 'networks') expect(level).toBe(scored[image]);
        }
      }),
    );
  });
});

describe('planScoring', () => {
  it('deals every version of every picture once, all versions of a picture into one database', () => {
    const images = Array.from({ length: 4100 }, (_, n) => `${n}_left`);
    const { databases } = planScoring(images, ['a', 'fr'], 16);
    expect(Object.entries(databases).map(([name, { length }]) => [name, length])).toEqual([
      ['score-00', 4096],
      ['score-01', 4096],
      ['score-02', 8],
    ]);
    expect(Object.values(databases).flat()).toEqual(images.flatMap(image => [`${image}.a.png 0`, `${image}.fr.png 0`]));
  });
});

describe('predictStages', () => {
  const table = (k: number, rows: string) =>
    parseArchiveScores([Buffer.from(`image,version,p${k}\n${rows}`)], `scores of ${k}`);
  const regression = { ridge: 'auto' as const, fellowEye: true, spread: false, tuneCuts: true };
  const own = ['p0', 'p1', 'p2', 'p3'];
  const model = {
    features: [...own, ...own.map(name => `fellow.${name}`)],
    weights: [1, 1, 1, 1, 0.5, 0, 0, 0],
    intercept: 0.1,
    cuts: [0.5, 1.5, 2.5, 3.5],
  };
  const rows = '1_left,a,0.9\n1_left,r,0.7\n1_right,a,0.2\n1_right,r,0.2\n7_left,a,0.4\n7_left,r,0.6\n';

  it('averages over the versions, uses the fellow eye (its own where there is none), and cuts', () => {
    const eyes = predictStages(
      [0, 1, 2, 3].map(k => table(k, rows)),
      model,
      regression,
    );
    expect(eyes.map(({ image, level }) => [image, level])).toEqual([
      ['1_left', 3],
      ['1_right', 1],
      ['7_left', 2],
    ]);
    const [left, right, alone] = eyes.map(({ expected }) => expected);
    expect(left).toBeCloseTo(0.1 + 4 * 0.8 + 0.5 * 0.2, 12);
    expect(right).toBeCloseTo(0.1 + 4 * 0.2 + 0.5 * 0.8, 12);
    expect(alone).toBeCloseTo(0.1 + 4 * 0.5 + 0.5 * 0.5, 12);
  });

  it('refuses tables that contradict each other, and a regression of other features', () => {
    const tables = [0, 1, 2, 3].map(k => table(k, rows));
    const short = [...tables.slice(0, 3), table(3, rows.slice(rows.indexOf('1_right')))];
    expect(() => predictStages(short, model, regression)).toThrow(/Expected a score of 1_left .* got none/);
    expect(() => predictStages(tables.slice(1), model, regression)).toThrow(/got none of split 0/);
    expect(() => predictStages(tables, model, { ...regression, fellowEye: false })).toThrow(
      /to use p0, p1, p2, p3, got/,
    );
  });
});
