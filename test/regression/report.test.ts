/** What the report is made from, and the pure parts of the page. */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import { commandOf } from '../../activities/regression/report/command.ts';
import { interruptions, renderTrainingCurves } from '../../activities/regression/report/training-curves.ts';
import type { CurvePoint, ReadPrediction } from '../../activities/regression/tables.ts';
import type { ReportArgs } from '../../activities/regression/types.ts';
import { mostWrong, SIDE } from '../../activities/regression/worst-eyes.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { mergeInputs } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { parseSetting } from '../../config/set.ts';
import { runChild } from '../../system/child-process.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { type SimulatedSet, writeSimulatedSet } from './simulated-set.ts';

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
      const scores = (await services.store.get(`${training}/scores.csv`)).toString('utf8');
      const changed = scores.replace(new RegExp(`^(${image},.*),[^,]+$`, 'gm'), '$1,0.99');
      await services.store.put(`${training}/scores.csv`, Buffer.from(changed), { overwrite: true });
    }
  }
  await new MockActivityEnvironment().run(createRegressionActivities(services).fitRegression, fit);
  return report;
}

async function pageOf(report: ReportArgs): Promise<string> {
  const { writeReport } = createRegressionActivities(services);
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
    // A run that an older release began says nothing about it.
    const { report: _, ...older } = report.input;
    expect((await pageOf({ ...report, input: older as ReportArgs['input'] })).includes('alt="Eye ')).toBe(true);

    await services.store.remove('stages/prepare/11/shard-000.tar');
    expect(section(await pageOf(report), 'wrong')).toMatch(/Without their pictures\. .*\d+_left/);
  });
});

describe('the page', () => {
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
    expect(section(page, 'flow')).toContain('1 worker shut down');
    const tried = (title: string) => {
      const row = page
        .split('<tr')
        .find(one => one.startsWith(`><th scope="row">${title}`) && one.includes('class="bar'));
      return [...row!.matchAll(/<td[^>]*>([^<]*)<\/td>/g)].slice(-2).map(([, text]) => text);
    };
    expect(tried('Unzip and augment')).toEqual(['10', '25 s']);
    expect(tried('Label and pack')).toEqual(['7', 'none']);
    // Stored by an older release, which counted nothing.
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

  test('puts the other way of dealing folds beside its own, where the same was trained on it', async () => {
    const report = await simulated({ patients: 60, seed: 34 });
    const other = async (run: string, over: PartialPipelineInput, accuracy: number) => {
      const input = mergeInputs(report.input, mergeInputs({ folds: { unit: 'record' } }, over));
      const record = { schemaVersion: 1, run, input, versions: {}, createdAt: '2026-01-03T00:00:00.000Z' };
      const metrics = {
        folds: { unit: 'record', leak: { eyes: 0.997, patients: 1 } },
        splits: [{ accuracy, majorityAccuracy: 0.7345 }],
      };
      for (const [key, value] of Object.entries({ 'run.json': record, 'report/metrics.json': metrics })) {
        await services.store.put(`runs/${run}/${key}`, Buffer.from(JSON.stringify(value)));
      }
    };
    await other('longer', { training: { epochs: 99 } }, 0.111);
    expect(section(await pageOf(report), 'y2015')).toMatch(/once the store holds such a run: .*folds\.unit=record/);
    await other('leaking', {}, 0.876);
    const text = section(await pageOf(report), 'y2015');
    expect(text).toMatch(/81\.8 % 73\.95 % .*run leaking 87\.6 % 73\.45 % 99\.7 %, measured .*Here, folds by patient/);
    expect(text).not.toContain('once the store holds');
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
    const page = renderTrainingCurves({ curves, input }).text;
    expect(page).toContain('0.800 at epoch 1, whose snapshot was used; 0.850 on training records then');
    expect(page).toContain('The training AUC is of a sample');
  });

  test('of older releases know nothing of those, and say nothing of them', () => {
    const page = renderTrainingCurves({ curves: validation, input }).text;
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
