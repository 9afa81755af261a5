import { MockActivityEnvironment } from '@temporalio/testing';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import { confusionMatrix, quadraticWeightedKappa } from '../../activities/regression/kappa.ts';
import type { Judgement } from '../../activities/regression/metrics.ts';
import type { RegressionActivities } from '../../activities/regression/types.ts';
import { createReportActivities } from '../../activities/report/index.ts';
import type { Metrics, ReportActivities } from '../../activities/report/types.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { closeRegression, rewriteOutput, type SimulatedSet, writeSimulatedSet } from './simulated-set.ts';

let services: TestServices;
let activities: RegressionActivities & ReportActivities;
beforeEach(async () => {
  services = await testServices();
  activities = { ...createRegressionActivities(services), ...createReportActivities(services) };
});
afterEach(() => services.close());

const run = <Args, Result>(activity: (args: Args) => Promise<Result>, args: Args): Promise<Result> =>
  new MockActivityEnvironment().run(activity, args);
const text = async (key: string) => (await services.store.get(key)).toString('utf8');

async function fitted(set: SimulatedSet) {
  const simulated = await writeSimulatedSet(services.store, set);
  const result = await run(activities.fitRegression, simulated.fit);
  await closeRegression(services.store, simulated.fit, result);
  const judgement: Judgement = JSON.parse(await text(result.regression.key));
  const predictions: Record<string, string>[] = parse(await text(result.predictions.key), { columns: true });
  return { ...simulated, result, judgement, predictions };
}

describe('fitRegression', () => {
  test('gives kappa, AUC and intervals that predictions.csv confirms', async () => {
    const { result, judgement, predictions } = await fitted({ patients: 600, seed: 1 });
    expect(Object.keys(predictions[0]!)).toEqual('image,level,fold,p0,p1,p2,p3,expected,predicted'.split(','));
    const own = predictions.filter(eye => eye.fold === 'test');
    expect(own.length).toBe(judgement.folds.test.eyes);
    expect(new Set(predictions.map(eye => eye.image)).size).toBe(predictions.length);
    const levels = own.map(eye => Number(eye.level));
    const kappa = quadraticWeightedKappa(
      confusionMatrix(
        levels,
        own.map(eye => Number(eye.predicted)),
      ),
    );
    expect(result.qwk).toBe(kappa);
    const { regression, baseline, argmax, splits } = judgement;
    expect(kappa).toBeGreaterThan(0.7);
    expect(kappa).toBeGreaterThan(regression.qwkInterval![0]);
    expect(kappa).toBeLessThan(regression.qwkInterval![1]);
    expect(regression.gain).toBeCloseTo(kappa! - baseline.qwk!, 12);
    expect(argmax.qwk).toBeLessThan(kappa! + 0.05);
    for (const { k, auc, aucInterval, positives } of splits) {
      expect(positives).toBe(levels.filter(level => level > k).length);
      expect(auc).toBeGreaterThan(aucInterval![0]);
      expect(auc).toBeLessThan(aucInterval![1]);
    }
    expect(splits.map(split => split.name)).toEqual(['<0>/<1..4>', '<0..1>/<2..4>', '<0..2>/<3..4>', '<0..3>/<4>']);
    expect(judgement.folds.leak).toEqual({ eyes: 0, patients: 0 });
  });

  test('takes the mean over the versions, from four networks or from four heads', async () => {
    const four = await fitted({ patients: 60, seed: 2 });
    const scores = parse(await text('stages/train/32/scores.csv'), { columns: true }) as Record<string, string>[];
    for (const eye of four.predictions) {
      const own = scores.filter(row => row.image === eye.image).map(row => Number(row.p2));
      expect(own).toHaveLength(4);
      expect(Number(eye.p2)).toBeCloseTo(own.reduce((a, b) => a + b, 0) / 4, 12);
    }
    await services.close();
    services = await testServices();
    activities = { ...createRegressionActivities(services), ...createReportActivities(services) };
    const one = await fitted({ patients: 60, seed: 2, input: { training: { layout: 'four-heads' } } });
    expect(one.predictions).toEqual(four.predictions);
  });

  test('does the same twice, and leaves what is there already', async () => {
    const { fit, result } = await fitted({ patients: 60, seed: 3 });
    expect(await run(activities.fitRegression, fit)).toEqual(result);
    await services.store.remove(result.regression.key);
    expect(await run(activities.fitRegression, fit)).toEqual(result);
  });

  test('uses the fellow eye when asked', async () => {
    const { judgement } = await fitted({ patients: 300, seed: 4, input: { regression: { fellowEye: true } } });
    expect(judgement.regression.features).toHaveLength(8);
    expect(judgement.regression.weights.slice(4).every(weight => weight !== 0)).toBe(true);
  });

  test('uses the spread of the versions when asked', async () => {
    const { judgement } = await fitted({ patients: 300, seed: 4, input: { regression: { spread: true } } });
    const { features, weights } = judgement.regression;
    expect(features.slice(4)).toEqual(['spread.p0', 'spread.p1', 'spread.p2', 'spread.p3']);
    expect(weights.slice(4).every(weight => weight !== 0)).toBe(true);
  });

  test('says what each split, the fellow eye, the mean and the spread bought, beside its own', async () => {
    const { judgement } = await fitted({ patients: 500, seed: 14 });
    const { ablation, regression } = judgement;
    const splits = ablation.map(row => row.splits.join());
    expect(splits).toEqual([...['0', '0,1', '0,1,2', '0,1,2,3'].flatMap(ks => Array(4).fill(ks)), '0,1,2,3']);
    const rowOf = (count: number, over: { fellowEye?: boolean; meanOverVersions?: boolean; spread?: boolean } = {}) => {
      const wanted = { fellowEye: false, meanOverVersions: true, spread: false, ...over };
      return ablation.find(
        row =>
          row.splits.length === count &&
          Object.entries(wanted).every(([name, value]) => row[name as keyof typeof wanted] === value),
      )!;
    };
    const own = rowOf(4);
    expect([own.qwk, own.qwkInterval, own.ridge]).toEqual([
      ...[regression.qwk, regression.qwkInterval, regression.ridge.strength],
    ]);
    expect([own.gain, own.gainInterval]).toEqual([0, [0, 0]]);
    expect(rowOf(4, { spread: true }).qwk).not.toBe(own.qwk);
    // A pair's noise cancels: four splits are better than one beyond doubt, though their intervals may overlap.
    expect(rowOf(1).gainInterval![1]).toBeLessThan(0);
    for (const row of ablation) expect(row.gain).toBeCloseTo(row.qwk! - regression.qwk!, 12);
    expect(rowOf(4, { meanOverVersions: false }).gain).not.toBe(0);
  });

  test('takes the ridge strength and the natural cuts from the input', async () => {
    const { judgement } = await fitted({
      patients: 60,
      seed: 5,
      input: { regression: { ridge: 0.5, tuneCuts: false } },
    });
    expect(judgement.regression.ridge).toEqual({ strength: 0.5, by: 'input' });
    expect(judgement.regression.cuts).toEqual([0.5, 1.5, 2.5, 3.5]);
  });

  test('gives null for what a test fold without a class has no answer to', async () => {
    const noProliferative = (level: number, fold: string) => (fold === 'test' ? Math.min(level, 3) : level);
    const { judgement, report } = await fitted({ patients: 80, seed: 6, levels: noProliferative });
    expect(judgement.splits[3]).toMatchObject({ auc: null, aucInterval: null, sensitivity: null, positives: 0 });
    expect(judgement.regression.recall[4]).toBeNull();
    expect(judgement.splits[0]!.auc).toBeGreaterThan(0.5);
    await run(activities.writeReport, report);
    expect((await text('runs/simulated/report/report.html')).includes('n/a')).toBe(true);
  });

  test('gives null everywhere for an empty test fold, and refuses an empty validation fold', async () => {
    const { fit, report } = await writeSimulatedSet(services.store, { patients: 40, seed: 7 });
    const without = async (fold: string) => {
      const rest = (csv: string) =>
        csv
          .split('\n')
          .filter(line => !line.includes(`,${fold}`))
          .join('\n');
      await rewriteOutput(services.store, fit.label, 'folds.csv', rest);
      for (const training of fit.trainings) await rewriteOutput(services.store, training, 'scores.csv', rest);
    };
    await without('test');
    const result = await run(activities.fitRegression, fit);
    await closeRegression(services.store, fit, result);
    expect(result).toMatchObject({ qwk: null, auc: [null, null, null, null], eyes: 0 });
    await run(activities.writeReport, report);
    await without('validation');
    await expect(run(activities.fitRegression, fit)).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.stringMatching(/^Expected eyes in the validation fold .* Raise `folds.validation`/),
    });
  });

  test('works on records, and measures their leak', async () => {
    const { judgement, predictions } = await fitted({ patients: 150, seed: 8, input: { folds: { unit: 'record' } } });
    expect(Object.keys(predictions[0]!).slice(0, 3)).toEqual(['image', 'version', 'level']);
    expect(judgement.folds.leak.eyes).toBeGreaterThan(0.9);
    expect(judgement.folds.leak.patients).toBeGreaterThan(judgement.folds.leak.eyes!);
    // A record is one version: there is no mean to do without.
    expect(judgement.ablation.map(row => row.meanOverVersions)).toEqual(Array(8).fill(false));
    expect(await text('stages/regress/44/suspect-labels.csv')).toMatch(/^rank,image,version,/);
  });

  test('refuses folds by patient that hold a patient twice', async () => {
    const { fit } = await writeSimulatedSet(services.store, { patients: 60, seed: 15 });
    const key = 'stages/label/22/folds.csv';
    const folds = await text(key);
    const [, image] = /\n(\d+_left),\d+,\d,test\n/.exec(folds)!;
    const spoil = (csv: string) => csv.replace(new RegExp(`(${image},.*),test`), '$1,train');
    await rewriteOutput(services.store, 'stages/label/22', 'folds.csv', spoil);
    const patient = image!.split('_')[0];
    await expect(run(activities.fitRegression, fit)).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.stringContaining(`Expected all pictures of a patient in one fold, got patient ${patient} in`),
    });
  });

  test('finds pictures that come again under another patient in another fold', async () => {
    const { judgement, result, report } = await fitted({ patients: 60, seed: 16, hashes: 'twins' });
    const counts = { pictures: 120, pairs: 2, trainTest: 2, distance: 16, bits: 256 };
    expect(judgement.nearDuplicates).toEqual(counts);
    const { key } = result.lists['near-duplicates.csv']!;
    const pairs: Record<string, string>[] = parse(await text(key), { columns: true });
    expect(pairs.map(pair => [pair.fold, pair.other_fold].sort().join())).toEqual(['test,train', 'test,train']);
    const { files } = await run(activities.writeReport, report);
    expect(await text(files['near-duplicates.csv']!.key)).toBe(await text(key));
  });

  test('does without hashes where the pictures have none', async () => {
    const { judgement, result } = await fitted({ patients: 60, seed: 16, hashes: 'none' });
    expect(judgement.nearDuplicates).toBeNull();
    expect(Object.keys(result.lists)).toEqual(['suspect-labels.csv']);
  });

  test.each([
    ['a missing row', (csv: string) => csv.replace(/\n.*,test,.*(?=\n)/g, ''), /Expected a score of \S+ \(test\)/],
    [
      'another stage',
      (csv: string) => csv.replace(/,(\d),test,/, (_, n) => `,${(Number(n) + 1) % 5},test,`),
      /folds.csv, got stage/,
    ],
    ['a probability of 2', (csv: string) => csv.replace(/,test,.*/, ',test,2'), /to be from 0 to 1, got 2/],
    ['the wrong split', (csv: string) => csv.replace('p1', 'p0'), /Expected split 0 once/],
  ])('ends for good on scores with %s', async (_, spoil, message) => {
    const { fit } = await writeSimulatedSet(services.store, { patients: 40, seed: 9 });
    await rewriteOutput(services.store, 'stages/train/31', 'scores.csv', spoil);
    await expect(run(activities.fitRegression, fit)).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.stringMatching(message),
    });
  });
});

describe('writeReport', () => {
  test('writes its files over those of an earlier execution', async () => {
    const { report, judgement } = await fitted({ patients: 120, seed: 10 });
    const first = await run(activities.writeReport, report);
    const { files } = await run(activities.writeReport, { ...report, images: { seen: 7, quarantined: 2 } });
    expect(Object.keys(files).sort()).toEqual([
      ...['curves.csv', 'metrics.json', 'near-duplicates.csv', 'predictions.csv', 'report.html', 'suspect-labels.csv'],
    ]);
    expect(files['metrics.json']).not.toEqual(first.files['metrics.json']);
    const metrics: Metrics = JSON.parse(await text('runs/simulated/report/metrics.json'));
    expect(metrics).toMatchObject({
      ...judgement,
      schemaVersion: 1,
      run: 'simulated',
      images: { seen: 7, quarantined: 2 },
      work: {
        ...{ seconds: { download: 4.2 }, segmentsTrained: 40, iterationsLost: 25 },
        splits: [{ name: 'train-01-vs-234', iterationsLost: 25 }],
      },
      versions: { caffe: '1.0.0' },
    });
    const curves = parse(await text('runs/simulated/report/curves.csv'), { columns: true }) as Record<string, string>[];
    expect(new Set(curves.map(point => point.split)).size).toBe(4);
  });

  test('makes one page without scripts, requests or anything unescaped', async () => {
    const { report } = await fitted({ patients: 120, seed: 11 });
    report.input.source = 'file:/pictures/<b>&"';
    await run(activities.writeReport, report);
    const page = await text('runs/simulated/report/report.html');
    const forbidden =
      /<script|<link (?!rel="icon" href="data:,")|url\(|@import|\ssrc=|\son\w+=|https?:|undefined|NaN|\[object/g;
    // What pictures are made of is no text.
    expect(page.replace(/ src="data:image\/jpeg;base64,[^"]*"/g, '').match(forbidden)).toBeNull();
    expect(page.includes('<b>&"')).toBe(false);
    expect(page.includes('file:/pictures/&lt;b&gt;&amp;&quot;')).toBe(true);
    expect(page.length).toBeLessThan(500_000);
  });

  test('shows the contact sheet of the run, if there is one, within the page', async () => {
    const { report } = await fitted({ patients: 60, seed: 13 });
    const pageOf = async () => {
      await run(activities.writeReport, report);
      return text('runs/simulated/report/report.html');
    };
    expect((await pageOf()).includes('<img class="sheet"')).toBe(false);
    const png = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#c63' } })
      .png()
      .toBuffer();
    await services.store.put('runs/simulated/report/augmentation.png', png);
    const pictures = [...(await pageOf()).matchAll(/<img [^>]*\bwidth="60" height="40" [^>]*src="([^"]*)"/g)];
    expect(pictures).toHaveLength(1);
    const [scheme, data] = pictures[0]![1]!.split(',');
    expect(scheme).toBe('data:image/jpeg;base64');
    expect(await sharp(Buffer.from(data!, 'base64')).metadata()).toMatchObject({ width: 60, height: 40 });
  });

  test('says of made-up eyes what they are, and puts real ones beside 2015', async () => {
    const { report } = await fitted({ patients: 120, seed: 12 });
    const pageOf = async (source: string) => {
      await run(activities.writeReport, { ...report, input: { ...report.input, source } });
      return text('runs/simulated/report/report.html');
    };
    const madeUp = await pageOf('synthetic');
    expect(madeUp.includes('They say nothing about medicine')).toBe(true);
    expect(madeUp.includes('0.8496')).toBe(false);
    const real = await pageOf('kaggle');
    expect(real.includes('Made-up eyes')).toBe(false);
    for (const words of ['0.8496', '0.631', '0.50<', 'not Kaggle\u2019s test pictures'])
      expect(real.includes(words)).toBe(true);
    expect(real.includes('Not a medical device')).toBe(true);
  });
});
