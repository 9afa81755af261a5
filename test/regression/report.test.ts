/** What the report is made from, and the pure parts of the page. */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import type { CurvePoint, ReadPrediction } from '../../activities/regression/tables.ts';
import { mostWrong, SIDE } from '../../activities/regression/worst-errors.ts';
import { createReportActivities } from '../../activities/report/index.ts';
import { commandOf } from '../../activities/report/reproduce.ts';
import { interruptions, renderTrainingCurves } from '../../activities/report/training-curves.ts';
import type { ReportArgs } from '../../activities/report/types.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { mergeInputs, parseSetting } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { closeRegression, rewriteOutput, type SimulatedSet, writeSimulatedSet } from './simulated-set.ts';

let services: TestServices;
beforeEach(async () => {
  services = await testServices();
});
afterEach(() => services.close());

async function simulated({ certain, ...set }: SimulatedSet & { certain?: boolean }): Promise<ReportArgs> {
  const { fit, report } = await writeSimulatedSet(services.store, set);
  if (certain) {
    // A healthy eye in which all four networks are sure to see everything.
    const folds = (await services.store.get(`${fit.label}/folds.csv`)).toString('utf8');
    const image = /^(\d+_\w+),\d+,0,test$/m.exec(folds)![1]!;
    for (const training of fit.trainings) {
      const certain = (csv: string) => csv.replace(new RegExp(`^(${image},.*),[^,]+$`, 'gm'), '$1,0.99');
      await rewriteOutput(services.store, training, 'scores.csv', certain);
    }
  }
  const { fitRegression } = createRegressionActivities(services);
  await closeRegression(services.store, fit, await new MockActivityEnvironment().run(fitRegression, fit));
  return report;
}

async function pageOf(report: ReportArgs): Promise<string> {
  const { writeReport } = createReportActivities(services);
  await new MockActivityEnvironment().run(writeReport, report);
  return (await services.store.get(`runs/${report.run}/report/report.html`)).toString('utf8');
}

/** The text of a section, without its markup. */
function section(page: string, id: string): string {
  const own = page.split('<section ').find(part => part.startsWith(`aria-labelledby="${id}"`)) ?? '';
  return own.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
}

describe('the eyes that were most wrong', () => {
  const eye = (image: string, over: Partial<ReadPrediction>): ReadPrediction => ({
    ...{ image, version: null, level: 0, fold: 'test', p: [0.5, 0.4, 0.3, 0.2], expected: 0, predicted: 0 },
    ...over,
  });

  test('are wrongly staged test eyes by the distance of their score, each eye once', () => {
    const eyes = [
      eye('1_left', { level: 4, expected: 3.4, predicted: 3 }),
      eye('2_left', { level: 4, expected: 0.5, predicted: 0, version: 'a' }),
      eye('2_left', { level: 4, expected: 0.1, predicted: 0, version: 'r' }),
      eye('3_left', { level: 0, expected: 2.2, predicted: 2 }),
      eye('4_left', { level: 1, expected: 1.4, predicted: 1 }),
      eye('5_left', { level: 4, expected: 0, predicted: 0, fold: 'validation' }),
    ];
    expect(mostWrong(eyes).map(({ image, version }) => [image, version])).toEqual([
      ...[
        ['2_left', 'r'],
        ['3_left', null],
        ['1_left', null],
      ],
    ]);
  });

  test('are shown with their pictures out of the shards, or named without, where they may not be shown or the shards are gone', async () => {
    const report = await simulated({ patients: 60, seed: 31 });
    const png = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#c63' } })
      .png()
      .toBuffer();
    await services.store.put('runs/simulated/report/augmentation.png', png);
    const shown = await pageOf(report);
    const pictures = [...shown.matchAll(/alt="Eye [^"]*" src="data:image\/jpeg;base64,([^"]*)"/g)];
    expect(pictures.length).toBeGreaterThan(3);
    const { width, height, format } = await sharp(Buffer.from(pictures[0]![1]!, 'base64')).metadata();
    expect({ width, height, format }).toEqual({ width: SIDE, height: SIDE, format: 'jpeg' });
    expect(section(shown, 'pictures')).toContain('as they lie in the shards');

    const without = await pageOf({ ...report, input: { ...report.input, report: { pictures: false } } });
    expect(without.includes('<img')).toBe(false);
    expect(section(without, 'wrong')).toContain('Without their pictures.');
    expect(section(without, 'wrong').match(/\d+_(left|right)/g)).toHaveLength(pictures.length);
    expect(section(without, 'pictures')).toBe('');

    await services.store.remove('stages/prepare/11/shard-000.tar');
    expect(section(await pageOf(report), 'wrong')).toMatch(/Without their pictures\. .*\d+_left/);
  });
});

describe('the page', () => {
  test('counts the other files of the archive, where it has any', async () => {
    const report = await simulated({ patients: 120, seed: 33 });
    expect(section(await pageOf(report), 'folds')).not.toContain('Ignored');
    const images = { seen: 240, quarantined: 0, ignored: 14 };
    expect(section(await pageOf({ ...report, images }), 'folds')).toContain('Ignored: 14 other files.');
  });

  test('lists what was set aside, suspect labels, near-duplicates, ablation and lost work', async () => {
    const page = await pageOf(await simulated({ patients: 200, seed: 32, hashes: 'twins', certain: true }));
    expect(section(page, 'folds')).toContain('train/0_left&lt;b&gt;.jpeg Expected a JPEG, got text');
    expect(section(page, 'second')).toMatch(
      /2 pairs of pictures, 2 of them between training and test.*stage \d, train/,
    );
    expect(section(page, 'second')).toMatch(/\d+ grades? of \d+ held-out eyes .* 0 more disease 4 .* 99 %/);
    expect(section(page, 'bought')).toMatch(
      /the first, as in 2015 .*all four .* this run .*how far the versions lie apart/,
    );
    expect(section(page, 'handover')).toMatch(/20 % \d+ 0\.\d+ 0\.\d+/);
    expect(section(page, 'flow')).toMatch(/Download 4\.2 s reused 12\.3 MB in 5 parts 2\.9 MB\/s/);
    expect(section(page, 'flow')).toMatch(/Unzip and augment 48 s 400 pictures in 4 versions 8\.3 pictures\/s/);
    expect(section(page, 'flow')).toMatch(/Train 0 against 1234 1 min 11 s 10 epochs, 500 iterations 225 images\/s/);
    expect(section(page, 'flow')).toMatch(/Train 01 against 234 .*1 attempt lost, 13 s/);
    expect(section(page, 'flow')).toContain(
      '1 attempt of a segment came to nothing and was done again: 25 iterations, 13 s',
    );
    const tried = (title: string) => {
      const row = page
        .split('<tr')
        .find(one => one.startsWith(`><th scope="row">${title}`) && one.includes('class="bar'));
      return [...row!.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].slice(-2).map(([, text]) => text);
    };
    expect(tried('Unzip and augment')).toEqual(['10', '25 s']);
    expect(tried('Label and pack')).toEqual(['7', 'none']);
    // Where the history could not be read, nothing was counted.
    expect(tried('Download')).toEqual(['', '']);
    expect(tried('Train 01 against 234')).toEqual(['11', '13 s']);
    expect(section(page, 'flow')).toMatch(/Unzip and augment 48 s 400 pictures .*? 2 attempts lost, 25 s/);
    const { work } = JSON.parse((await services.store.get('runs/simulated/report/metrics.json')).toString());
    expect(work.stages.filter((stage: object) => 'attemptsLost' in stage)).toEqual([
      { name: 'prepare', seconds: 48, reused: false, attempts: 10, attemptsLost: 2, secondsLost: 25.4 },
      { name: 'label', seconds: 9.6, reused: false, attempts: 7, attemptsLost: 0, secondsLost: 0 },
    ]);
    expect(section(page, 'training')).toContain('done again from here after an interruption');
  });

  test('says which splits have too few eyes to say', async () => {
    const few = section(await pageOf(await simulated({ patients: 100, seed: 33 })), 'splits');
    expect(few).toContain('too few to say');
    await services.close();
    services = await testServices();
    const stages = [0.2, 0.2, 0.2, 0.2, 0.2];
    const enough = section(await pageOf(await simulated({ patients: 700, seed: 33, stages })), 'splits');
    expect(enough).not.toContain('too few to say');
  });

  test('says how to get the other way of dealing folds beside its own, and knows of no other run', async () => {
    const report = await simulated({ patients: 60, seed: 34 });
    const page = await pageOf(report);
    expect(section(page, 'y2015')).toMatch(
      /81\.8 % 73\.95 % .*Here, folds by patient .*folds\.unit=record.* npm start -- compare/,
    );
    const input = mergeInputs(report.input, { folds: { unit: 'record' } });
    const record = { schemaVersion: 1, run: 'leaking', input, versions: {}, createdAt: '2026-01-03T00:00:00.000Z' };
    const metrics = { folds: { unit: 'record' }, splits: [{ accuracy: 0.876, majorityAccuracy: 0.7345 }] };
    for (const [key, value] of Object.entries({ 'run.json': record, 'report/metrics.json': metrics }))
      await services.store.put(`runs/leaking/${key}`, Buffer.from(JSON.stringify(value)));
    expect(await pageOf(report)).toBe(page);
  });
});

describe('interruptions', () => {
  const point = (iteration: number, attempt: number, metric = 'loss'): CurvePoint => ({
    ...{ split: '<0>/<1..4>', epoch: 1, value: 0.5 },
    ...{ iteration, attempt, metric },
  });

  test('stand where their segment begins, once each', () => {
    const curves = [point(10, 1), point(11, 2), point(20, 2), point(31, 3), point(40, 3), point(35, 2, 'rate')];
    expect(interruptions(curves, 20, 2)).toEqual([0.5, 1.5]);
    expect(interruptions([point(10, 1), point(20, 2, 'rate')], 20, 2)).toEqual([]);
  });
});

describe('the curves of a training', () => {
  const at = (epoch: number, metric: string, value: number): CurvePoint => ({
    ...{ split: '<0>/<1..4>', epoch, iteration: 20 * epoch, metric, value, attempt: 1 },
  });
  const input = resolveInput({});
  const validation = [at(1, 'validation auc', 0.8), at(2, 'validation auc', 0.75)];

  test('tell what the snapshot that was used came to on the training records', () => {
    const curves = [...validation, at(1, 'training auc', 0.85), at(2, 'training auc', 0.95)];
    const page = renderTrainingCurves({ curves, input, progress: null })!.text;
    expect(page).toContain('0.800 at epoch 1, whose snapshot was used; 0.850 on training records then');
    expect(page).toContain('The training AUC is of a sample');
  });

  test('without a sample of those say nothing of them', () => {
    const page = renderTrainingCurves({ curves: validation, input, progress: null })!.text;
    expect(page).toContain('0.800 at epoch 1, whose snapshot was used"');
    expect(page).not.toMatch(/training AUC|training records/);
  });
});

describe('the command to do it again', () => {
  const partial = fc.record(
    {
      source: fc.constantFrom('synthetic', 'kaggle', 'file:/eyes/it\'s "here" $HOME', 'https://example.org/?a=1&b=2'),
      images: fc.record({ size: fc.integer({ min: 32, max: 1024 }), enhance: fc.constantFrom('none', 'graham') }),
      archive: fc.record({
        entries: fc.constantFrom('^\\d+\\.jpeg$', "^a'b/\\d+$"),
        labels: fc.constantFrom(null, '1'),
      }),
      training: fc.record({
        policy: fc.constantFrom({ type: 'fixed' }, { type: 'poly', power: 2 }, { type: 'exp', gamma: 0.9 }),
        earlyStop: fc.constantFrom(null, 3),
      }),
      report: fc.record({ pictures: fc.boolean() }),
    },
    { requiredKeys: [] },
  );

  test('names what differs from the ready input, so that the same comes out again', () => {
    expect(commandOf(resolveInput({}))).toBe('npm start');
    expect(commandOf(resolveInput({ source: 'kaggle', training: { epochs: 3 } }))).toBe(
      'npm start -- --source kaggle --set training.epochs=3',
    );
  });

  test('comes back to the same input through a real shell', async () => {
    const inputs = fc.sample(partial, { numRuns: 25, seed: 1 }).map(given => resolveInput(given));
    // One shell for all, which says a line for each.
    const script = inputs.map(input => commandOf(input)!.replace(/^npm/, 'say')).join('\n');
    const { tail: told } = await runChild(['sh', '-c', `say() { printf '%s\\037' "$@"; echo; }\n${script}`]);
    expect(told).toHaveLength(inputs.length);
    for (const [i, words] of told.entries()) {
      const [, , ...args] = words.split('\x1f').slice(0, -1);
      let input: PartialPipelineInput = {};
      for (let at = 0; at < args.length; at += 2) {
        const [option, value] = [args[at], args[at + 1]!];
        const source = value.startsWith('/') ? `file:${value}` : value;
        input = mergeInputs(input, option === '--source' ? { source } : parseSetting(value));
      }
      expect(resolveInput(input)).toEqual(inputs[i]);
    }
  });
});
