import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isTrainingDatabase,
  parseRecord,
  planDatabases,
  trainingSample,
} from '../../activities/labels/database-plan.ts';
import {
  assignFolds,
  countFolds,
  type Eye,
  formatFolds,
  patientOf,
  patientsInSeveralFolds,
  splitLists,
} from '../../activities/labels/folds.ts';
import { FOLDS } from '../../activities/labels/types.ts';
import { measureLeak } from '../../activities/regression/eyes.ts';
import { type PipelineInput, VERSIONS } from '../../config/input.ts';

type Folds = PipelineInput['folds'];

const folds: Folds = { unit: 'patient', validation: 0.15, test: 0.15, seed: 1 };

/** The shares of 2015. */
const BLOG = { validation: 0.0427, test: 0.0142 };

/** As many eyes as the competition has, of each stage about as many. */
const competitionEyes = () =>
  eyesOf(Array.from({ length: 17_563 }, (_, i) => [i % 4 === 0 ? i % 5 : 0, i % 5 === 0 ? i % 3 : 0] as const));

/** Patients with two eyes, and a few with one. */
const eyesOf = (stages: readonly (readonly [number, number | null])[]): Eye[] =>
  stages.flatMap(([left, right], i) => [
    { image: `${i + 1}_left`, stage: left },
    ...(right === null ? [] : [{ image: `${i + 1}_right`, stage: right }]),
  ]);
const stage = fc.integer({ min: 0, max: 4 });
const anyEyes = fc.array(fc.tuple(stage, fc.option(stage)), { minLength: 1, maxLength: 60 }).map(eyesOf);
/** Some patients of every stage. */
const demo = eyesOf(Array.from({ length: 300 }, (_, i) => [i % 5, (i + (i % 7 === 0 ? 1 : 0)) % 5] as const));

describe('folds by patient', () => {
  test('keep a patient together, whatever the eyes, shares and seed', () => {
    const shares = fc.double({ min: 0.01, max: 0.45, noNaN: true });
    fc.assert(
      fc.property(anyEyes, shares, shares, fc.nat(), (eyes, validation, test, seed) => {
        const rows = assignFolds(eyes, { ...folds, validation, test, seed }, VERSIONS);
        expect(rows).toHaveLength(eyes.length);
        expect(patientsInSeveralFolds(rows)).toEqual([]);
      }),
    );
  });

  test('do not hang on the order the eyes come in', () => {
    fc.assert(
      fc.property(anyEyes, eyes => {
        expect(assignFolds(eyes.toReversed(), folds, VERSIONS)).toEqual(assignFolds(eyes, folds, VERSIONS));
      }),
    );
  });

  test('hold every stage, each by its share', () => {
    const counts = countFolds(assignFolds(demo, folds, VERSIONS));
    for (const fold of FOLDS) expect(Math.min(...counts[fold].stages)).toBeGreaterThan(0);
    expect(counts.test.patients / 300).toBeCloseTo(0.15, 1);
    expect(counts.validation.patients / 300).toBeCloseTo(0.15, 1);
    expect(FOLDS.reduce((sum, fold) => sum + counts[fold].eyes, 0)).toBe(demo.length);
  });

  test('hold every stage of a set so small that a share is less than one patient', () => {
    const few = eyesOf(Array.from({ length: 15 }, (_, i) => [i % 5, i % 5] as const));
    const counts = countFolds(assignFolds(few, { ...folds, validation: 0.05, test: 0.05 }, VERSIONS));
    for (const fold of FOLDS) expect(Math.min(...counts[fold].stages)).toBeGreaterThan(0);
  });

  test('change with the seed, and hardly when pictures are added', () => {
    const of = (eyes: Eye[], seed = 1) =>
      new Map(assignFolds(eyes, { ...folds, seed }, VERSIONS).map(row => [row.image, row.fold]));
    const before = of(demo);
    const moved = (after: ReadonlyMap<string, string>) =>
      [...before].filter(([image, fold]) => after.get(image) !== fold);
    expect(moved(of(demo, 2)).length).toBeGreaterThan(100);
    const more = demo.concat(Array.from({ length: 10 }, (_, i) => ({ image: `${1000 + i}_left`, stage: i % 5 })));
    expect(moved(of(more)).length).toBeLessThan(20);
  });

  test('of the competition hardly move when a hundredth is added', () => {
    const competition = competitionEyes();
    const of = (eyes: Eye[]) => new Map(assignFolds(eyes, folds, VERSIONS).map(row => [row.image, row.fold]));
    const before = of(competition.slice(0, 34_778));
    const after = of(competition);
    const moved = [...before].filter(([image, fold]) => after.get(image) !== fold);
    expect(moved.length / before.size).toBeLessThan(0.002);
  });

  test('a leak is seen', () => {
    const rows = assignFolds(demo, folds, VERSIONS);
    const leaking = rows.map(row => (row.image === '7_left' ? { ...row, fold: 'test' as const } : row));
    const other = leaking.map(row => (row.image === '7_right' ? { ...row, fold: 'train' as const } : row));
    expect(patientsInSeveralFolds(other)).toEqual(['7']);
  });
});

test.each([
  ['10_left', '10'],
  ['0010_right', '0010'],
  ['eye-31-b', '31'],
  ['nameless', 'nameless'],
])('the patient of %s is %s', (image, patient) => expect(patientOf(image)).toBe(patient));

describe('folds by record, the leaking shuffle of 2015', () => {
  const rows = assignFolds(demo, { ...folds, unit: 'record', ...BLOG }, VERSIONS);

  test('have the exact shares of all versions', () => {
    expect(rows).toHaveLength(2400);
    expect(rows.filter(({ fold }) => fold === 'test')).toHaveLength(Math.round(2400 * 0.0142));
    expect(rows.filter(({ fold }) => fold === 'validation')).toHaveLength(Math.round(2400 * 0.0427));
  });

  test('at the size of 2015 leave no test record whose eye is not trained on, or next to none', () => {
    const { validation, test } = BLOG;
    const all = assignFolds(competitionEyes(), { ...folds, unit: 'record', validation, test }, VERSIONS);
    const leak = measureLeak(all.map(row => ({ ...row, level: row.stage })));
    expect(all.filter(({ fold }) => fold === 'test')).toHaveLength(1995);
    expect(leak.eyes).toBeGreaterThan(0.999);
    expect(leak.patients).toBe(1);
  });

  test('leak, and say so in folds.csv by a version', () => {
    expect(patientsInSeveralFolds(rows).length).toBeGreaterThan(0);
    const [header, first] = formatFolds(rows).split('\n');
    expect(header).toBe('image,patient,level,fold,version');
    expect(first).toMatch(/^1_left,1,0,(train|validation|test),a$/);
  });
});

describe('the plan of databases', () => {
  const options = { versions: VERSIONS, batch: 32, segmentsPerEpoch: 5, seed: 1 };
  const rows = assignFolds(demo, folds, VERSIONS);

  test('deals every training record at most once, in whole batches', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 40 }),
        fc.nat(),
        (batch, segments, seed) => {
          const { plan, trimmed } = planDatabases(rows, {
            versions: VERSIONS,
            batch,
            segmentsPerEpoch: segments,
            seed,
          });
          const names = Object.keys(plan.databases).filter(isTrainingDatabase);
          const records = names.flatMap(name => plan.databases[name]!);
          const inFold = rows.filter(({ fold }) => fold === 'train').length * 4;
          expect(new Set(records).size).toBe(records.length);
          expect(records.length + trimmed).toBe(inFold);
          expect(trimmed).toBeLessThan(batch);
          expect(names).toHaveLength(Math.min(segments, Math.floor(inFold / batch)));
          for (const name of names) expect(plan.databases[name]!.length % batch).toBe(0);
          const lengths = names.map(name => plan.databases[name]!.length);
          expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(batch);
        },
      ),
    );
  });

  test('keeps the eyes of the other folds in order, all versions of each', () => {
    const { plan } = planDatabases(rows, options);
    const eyes = rows.filter(({ fold }) => fold === 'test').map(({ image }) => image);
    expect(plan.databases.test!.map(line => parseRecord(line).image)).toEqual(
      eyes.flatMap(image => Array(4).fill(image)),
    );
    expect(plan.databases.test!.slice(0, 4).map(line => parseRecord(line).version)).toEqual(VERSIONS);
  });

  test('shuffles: a database is a mixture of stages', () => {
    const { plan } = planDatabases(rows, options);
    const stages = new Set(plan.databases['train-00']!.slice(0, 32).map(line => parseRecord(line).stage));
    expect(stages.size).toBe(5);
  });

  test('the sample of the training records is a sixteenth of them, 256 to 4,096, or the first database', () => {
    const of = (first: number, second: number) => {
      const records = (n: number) => Array<string>(n).fill('1_left.a.png 0');
      return trainingSample({
        databases: { 'train-01': records(second), 'train-00': records(first), val: records(1) },
      });
    };
    expect(of(8_001, 8_000)).toEqual({ database: 'train-00', records: 1_001 });
    expect(of(2_000, 10)).toEqual({ database: 'train-00', records: 256 });
    expect(of(200, 10)).toEqual({ database: 'train-00', records: 200 });
    expect(of(50_000, 50_000)).toEqual({ database: 'train-00', records: 4_096 });
  });

  test('says what to do about too few pictures', () => {
    expect(() => planDatabases(rows.slice(0, 4), options)).toThrow(
      /^Expected at least 32 training records .* lower `training.batch`/,
    );
  });

  test('the lists of a split hold the same records with labels of its own', () => {
    const { plan } = planDatabases(rows, options);
    const lists = splitLists(plan);
    expect(Object.keys(lists)).toHaveLength(16);
    expect(lists['split-0/labels.txt']).toBe('<0>\n<1..4>\n');
    expect(lists['split-2/labels.txt']).toBe('<0..2>\n<3..4>\n');
    const [line] = lists['split-2/test.tsv']!.split('\n');
    const { image, version, stage } = parseRecord(plan.databases.test![0]!);
    expect(line).toBe(`${image}.${version}.png\t${stage > 2 ? 1 : 0}`);
    expect(
      lists['split-1/train.tsv']!.trimEnd()
        .split('\n')
        .map(line => line.split('\t')[0]),
    ).toEqual(
      Object.entries(plan.databases).flatMap(([name, records]) =>
        isTrainingDatabase(name) ? records.map(record => record.split(' ')[0]) : [],
      ),
    );
  });
});
