/** The report of a run that has no results: it says how far the run is, and asks for itself again until there is nothing more to come. */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createReportActivities } from '../../activities/report/index.ts';
import type { RunProgress } from '../../activities/report/types.ts';
import { runKey } from '../../activities/run/records.ts';
import { storeReportFile } from '../../activities/run/report-files.ts';
import type { EpochPoint } from '../../activities/run/types.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { resolveInput } from '../../config/resolve.ts';
import { putJson } from '../../storage/documents.ts';
import { downsample, mergeCurve } from '../../workflows/progress-page.ts';
import { type TestServices, testServices } from '../support/services.ts';

const STARTED = '2026-01-02T03:04:05.000Z';

const point = (epoch: number): EpochPoint => ({
  epoch,
  loss: 1 / epoch,
  validationLoss: 2 / epoch,
  auc: 1 - 0.4 / epoch,
  trainingAuc: 1 - 0.3 / epoch,
});

const PROGRESS: RunProgress = {
  ...{ state: 'running', why: null },
  stages: {
    prepare: {
      ...{ state: 'done', done: 5, of: 5, unit: 'shards', startedAt: 1000, endedAt: 62_000, reason: 'size 64 → 48' },
      counts: { pictures: 35110, labelsWithoutPicture: 2, bytes: 34_988_445_506 },
    },
    train: {
      ...{ state: 'running', done: 3, of: 8, unit: 'epochs', startedAt: 62_000, endedAt: null, reason: '' },
      counts: {},
    },
  },
  splits: [
    {
      ...{ k: 1, name: 'train-01-vs-234', epoch: 3, epochs: 8, iteration: 30, iterations: 80 },
      ...{ loss: 0.333, accuracy: null, auc: 0.867, bestAuc: 0.867, bestEpoch: 3 },
      ...{ segmentsTrained: 6, segmentsReused: 0 },
      lost: { attempts: 2, iterations: 7, seconds: 3 },
      curve: [1, 2, 3].map(point),
    },
  ],
};

let services: TestServices;
beforeEach(async () => {
  services = await testServices();
});
afterEach(() => services.close());

async function page(over: Partial<RunProgress> = {}, input: PartialPipelineInput = {}): Promise<string> {
  const run = 'team/dr <1>';
  const record = {
    schemaVersion: 1,
    run,
    input: resolveInput(input),
    versions: { caffe: '1.0.0' },
    createdAt: STARTED,
  };
  await putJson(services.store, runKey(run), record, { overwrite: true });
  const png = await sharp({ create: { width: 60, height: 40, channels: 3, background: '#c63' } })
    .png()
    .toBuffer();
  await storeReportFile(services.store, run, 'augmentation.png', png);
  const { writeProgressPage } = createReportActivities(services);
  await new MockActivityEnvironment().run(writeProgressPage, { run, progress: { ...PROGRESS, ...over } });
  return (await services.store.get('runs/team_2f_dr_20__3c_1_3e_/report/report.html')).toString();
}

describe('the page', () => {
  it('has stages, splits and curves, each drawing with its words, and asks nobody else for anything', async () => {
    const html = await page();
    expect(html).toContain('<h1><span class="state running" aria-hidden="true"></span>Running</h1>');
    expect(html).toContain('team/dr &lt;1&gt;');
    expect(html).toContain('pictures 35,110 · labels without picture 2 · bytes 35.0 GB');
    expect(html).toContain('3 of 8');
    expect(html).toContain('1 min 01 s');
    expect(html).toContain(
      'AUC of &lt;0..1&gt;/&lt;2..4&gt; on the validation fold over 3 of 8 epochs: 0.867 at epoch 3, the best so far; 0.900 on training records then',
    );
    expect(html.match(/<svg /g)).toHaveLength(2);
    expect(html).not.toMatch(/NaN|undefined|<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it.each([
    ['running', true],
    ['paused', true],
    ['finished', false],
    ['failed', false],
  ] as const)('of a run that is %s is asked for again: %s', async (state, again) => {
    expect((await page({ state })).includes('<meta http-equiv="refresh"')).toBe(again);
  });

  it('is the report as far as there is something to show: pictures that may be shown, and how to do it again', async () => {
    const sections = (html: string) => [...html.matchAll(/<section aria-labelledby="(\w+)"/g)].map(([, id]) => id);
    const shown = await page();
    expect(sections(shown)).toEqual(['stages', 'training', 'pictures', 'repeat']);
    expect(shown).toContain('<pre class="command">npm start</pre>');
    const hidden = await page({}, { report: { pictures: false } });
    expect(sections(hidden)).toEqual(['stages', 'training', 'repeat']);
    expect(hidden).not.toContain('<img');
  });

  it('says why a run has ended, and has no curves where nothing was judged', async () => {
    const html = await page({ state: 'failed', why: 'Expected <labels>, got none', splits: [] });
    expect(html).toContain('Expected &lt;labels&gt;, got none');
    expect(html).not.toContain('<svg');
  });
});

describe('curves that grow', () => {
  it('are known whole from what is told of each epoch, in any order and twice', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 1 }), epochs => {
        const told = [...epochs, epochs[0]!].reduce<EpochPoint[]>(
          (curve, epoch) => mergeCurve(curve, [point(epoch)]),
          [],
        );
        expect(told).toEqual(epochs.toSorted((a, b) => a - b).map(point));
      }),
    );
  });

  it('are thinned to what a page can show, and keep their last point', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 200 }), (epochs, most) => {
        const curve = Array.from({ length: epochs }, (_, n) => point(n + 1));
        const some = downsample(curve, most);
        expect(some.length).toBeLessThanOrEqual(most);
        expect(some.at(-1)).toEqual(curve.at(-1));
        if (epochs <= most) expect(some).toEqual(curve);
      }),
    );
  });
});
