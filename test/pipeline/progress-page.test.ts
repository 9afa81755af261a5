/** The page of a run that goes on: it says how far the run is, and asks for itself again until there is nothing more to come. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProgressPageActivities } from '../../activities/progress-page/index.ts';
import type { EpochPoint, ProgressPageArgs } from '../../activities/progress-page/types.ts';
import { joined, thinned } from '../../workflows/curve.ts';
import { type TestServices, testServices } from '../support/services.ts';

const point = (epoch: number): EpochPoint => ({
  epoch,
  loss: 1 / epoch,
  validationLoss: 2 / epoch,
  auc: 1 - 0.4 / epoch,
  trainingAuc: 1 - 0.3 / epoch,
});

const ARGS: ProgressPageArgs = {
  ...{ run: 'team/dr <1>', source: 'synthetic', state: 'running', why: null },
  stages: [
    {
      ...{ name: 'prepare', state: 'done', done: 5, of: 5, unit: 'shards', seconds: 61, reason: 'size 64 → 48' },
      counts: { pictures: 35110, labelsWithoutPicture: 2, bytes: 34_988_445_506 },
    },
    { ...{ name: 'train', state: 'running', done: 3, of: 8, unit: 'epochs', seconds: null, reason: '' }, counts: {} },
  ],
  splits: [
    {
      ...{ k: 1, epoch: 3, epochs: 8, loss: 0.333, auc: 0.867, bestAuc: 0.867, bestEpoch: 3, attemptsLost: 2 },
      curve: [1, 2, 3].map(point),
    },
  ],
};

let services: TestServices;
beforeEach(async () => {
  services = await testServices();
});
afterEach(() => services.close());

async function page(over: Partial<ProgressPageArgs> = {}): Promise<string> {
  await createProgressPageActivities(services).writeProgressPage({ ...ARGS, ...over });
  return (await services.store.get('runs/team_2f_dr_20__3c_1_3e_/report/report.html')).toString();
}

describe('the page', () => {
  it('has stages, splits and curves, each drawing with its words, and asks nobody else for anything', async () => {
    const html = await page();
    expect(html).toContain('<h1><span class="state running" aria-hidden="true"></span>Running</h1>');
    expect(html).toContain('team/dr &lt;1&gt;');
    expect(html).toContain('pictures 35,110 · labels without picture 2 · bytes 35.0 GB');
    expect(html).toContain('3 of 8');
    expect(html).toContain(
      'AUC of &lt;0..1&gt;/&lt;2..4&gt; on the validation fold after 3 of 8 epochs, best 0.867; 0.900 on training records',
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
        const told = [...epochs, epochs[0]!].reduce<EpochPoint[]>((curve, epoch) => joined(curve, [point(epoch)]), []);
        expect(told).toEqual(epochs.toSorted((a, b) => a - b).map(point));
      }),
    );
  });

  it('are thinned to what a page can show, and keep their last point', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 1, max: 200 }), (epochs, most) => {
        const curve = Array.from({ length: epochs }, (_, n) => point(n + 1));
        const some = thinned(curve, most);
        expect(some.length).toBeLessThanOrEqual(most);
        expect(some.at(-1)).toEqual(curve.at(-1));
        if (epochs <= most) expect(some).toEqual(curve);
      }),
    );
  });
});
