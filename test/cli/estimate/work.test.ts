/** What a run will do, counted before it: with forks, for each split by itself. */
import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { estimate } from '../../../cli/estimate/estimate.ts';
import { planLines } from '../../../cli/estimate/plan.ts';
import type { Rates } from '../../../cli/estimate/rates.ts';
import { countWork } from '../../../cli/estimate/work.ts';
import { trainingAt } from '../../../config/forks.ts';
import type { PipelineInput } from '../../../config/input.ts';
import { resolveInput } from '../../../config/resolve.ts';
import { layoutsOf } from '../../../config/training.ts';
import { TINY } from '../../support/tiny.ts';

const EYES = Array.from({ length: 80 }, (_, n) => ({
  image: `${n >> 1}_${n % 2 === 0 ? 'left' : 'right'}`,
  stage: n % 5,
}));
const EPOCHS = 10;
const SECONDS: Rates = {
  ...{ from: 'nowhere', trainedOn: 'cpu', size: 64, drawing: 0, download: 1e6, preparing: 1, labelling: 1 },
  ...{ iteration: 2, aroundSegment: 1, judging: { record: 0.1, around: 1 }, turnover: 0.5, regression: 1 },
  bytes: { version: 1, record: 1, pair: 1, aroundSegment: 1 },
};

const inputWith = (forks: unknown[], layout: 'four-networks' | 'four-heads' = 'four-networks'): PipelineInput =>
  resolveInput({
    ...TINY,
    training: { ...TINY.training, epochs: EPOCHS, layout, ...(forks.length > 0 && { forks }) },
  } as never);

/** Of distinct splits, so that none has to lie behind another. */
const forks = fc.uniqueArray(
  fc.record(
    {
      run: fc.constant('dr'),
      split: fc.nat(3),
      epoch: fc.integer({ min: 1, max: EPOCHS - 1 }),
      set: fc.record({ epochs: fc.integer({ min: EPOCHS + 1, max: 30 }) }),
    },
    { requiredKeys: ['split', 'epoch', 'set'] },
  ),
  { maxLength: 4, selector: ({ split }) => split },
);

const planOf = (input: PipelineInput, cards: number) =>
  estimate(
    {
      ...{ work: countWork(EYES, input), fetch: { bytes: 1e6, exact: true, files: 6 }, rates: SECONDS, prices: null },
      machine: { cards, cores: 2 },
    },
    input,
  );

describe('work', () => {
  test('each split has the epochs that the workflow gives it; segments, judgings and iterations add up from them', () => {
    fc.assert(
      fc.property(forks, fc.constantFrom('four-networks' as const, 'four-heads' as const), (given, layout) => {
        const input = inputWith(layout === 'four-heads' ? given.slice(0, 1) : given, layout);
        const { networks, ...work } = countWork(EYES, input);
        const epochs = layoutsOf(input.training).map(
          heads => trainingAt(input.training, heads, Number.POSITIVE_INFINITY).epochs,
        );
        expect(networks.map(network => network.epochs)).toEqual(epochs);
        const all = epochs.reduce((sum, n) => sum + n, 0);
        expect([work.segments, work.judgings]).toEqual([all * work.segmentsPerEpoch, all]);
        expect(work.iterations).toBe((all * work.records.train) / TINY.training.batch);
      }),
    );
  });

  test('what a fork shares with the run that it names takes no time; without a run, nothing is shared', () => {
    fc.assert(
      fc.property(forks, given => {
        const last = given.at(-1);
        const work = countWork(EYES, inputWith(given));
        expect(work.forkOf).toBe(last?.run ?? null);
        for (const [k, { epochs, shared }] of work.networks.entries()) {
          if (last?.run === undefined) expect(shared).toBe(0);
          else expect(shared).toBe(last.split === k ? last.epoch : epochs);
        }
        const trained = work.networks.reduce((sum, { epochs, shared }) => sum + epochs - shared, 0);
        expect(work.judgings - work.shared.judgings).toBe(trained);
        expect(work.segments - work.shared.segments).toBe(trained * work.segmentsPerEpoch);
      }),
    );
  });
});

describe('the hours of it', () => {
  test('of a fork are those of what it trains anew, on one card however many there are', () => {
    const fork = [{ run: 'dr', split: 1, epoch: 6, set: { epochs: 14 } }];
    const [one, four] = [planOf(inputWith(fork), 1), planOf(inputWith(fork), 4)];
    const { records, segmentsPerEpoch } = one.work;
    const epoch =
      (records.train / TINY.training.batch) * 2 + segmentsPerEpoch + (records.validation + records.sample) * 0.1 + 2;
    const scoring = (records.validation + records.test) * 0.1 + 2;
    expect(one.seconds.ofCards).toBeCloseTo(8 * epoch + scoring, 9);
    expect(four.seconds.train).toBe(one.seconds.train);
    expect([one.fetch.bytes, one.seconds.download, one.seconds.prepare, one.seconds.label]).toEqual([0, 0, 0, 0]);
  });

  test('of splits that differ are at least those of the longest, and with one card those of all', () => {
    const longer = planOf(inputWith([{ split: 1, epoch: 5, set: { epochs: 30 } }]), 4);
    const alone = planOf(inputWith([]), 4);
    expect(longer.seconds.train / alone.seconds.train).toBeGreaterThan(2.5);
    const single = planOf(inputWith([{ split: 1, epoch: 5, set: { epochs: 30 } }]), 1);
    expect(single.seconds.train / planOf(inputWith([]), 1).seconds.train).toBeCloseTo(60 / 40, 1);
    expect(longer.histories.find(({ workflow }) => workflow === 'a training')!.events).toBe(40 + 30 * (7 * 2 + 14));
  });
});

describe('what is printed', () => {
  const lines = (input: PipelineInput, given: { exact: boolean; rates: Partial<Rates> }) =>
    stripVTControlCharacters(
      planLines(
        estimate(
          {
            work: countWork(EYES, input, given),
            fetch: { bytes: 1e6, exact: given.exact, files: 6 },
            machine: { cards: 4, cores: 2 },
            rates: { ...SECONDS, ...given.rates },
            prices: { currency: 'EUR', perGpuHour: 1, perCpuHour: 0, perGbMonth: 0 },
          },
          input,
        ),
        'regress',
      ).join('\n'),
    );

  test('is `about` where the source was not asked, and nowhere else but of a store in S3', () => {
    const exact = lines(inputWith([]), { exact: true, rates: {} });
    expect(exact.match(/about/g)).toHaveLength(1);
    const about = lines(inputWith([]), { exact: false, rates: {} });
    for (const row of ['to fetch', 'pictures', 'segments']) expect(about).toMatch(new RegExp(`^  ${row} +about `, 'm'));
  });

  test("says whose hours they are: a CPU's are no card's", () => {
    const cpu = lines(inputWith([]), { exact: true, rates: { trainedOn: 'cpu' } });
    expect(cpu).toMatch(/^ {2}train .* of a CPU's cores$/m);
    expect(cpu).toMatch(/^ {2}cards .* EUR +at the speed of a CPU/m);
    expect(cpu).toContain('By nowhere: the hours of training are those of a CPU.');
    const gpu = lines(inputWith([]), { exact: true, rates: { trainedOn: 'gpu' } });
    expect(gpu).not.toContain('CPU');
    expect(gpu).toMatch(/^ {2}train .* of graphics cards$/m);
  });

  test('of a fork is what it trains, beside what is there', () => {
    const fork = lines(inputWith([{ run: 'dr', split: 1, epoch: 6, set: { epochs: 14 } }]), { exact: true, rates: {} });
    expect(fork).toMatch(/^ {2}to fetch +0 bytes +all is in the store, by dr$/m);
    expect(fork).toMatch(/^ {2}segments +88 +20 \+ 28 \+ 20 \+ 20, \d+ iterations; 72 of them are in the store$/m);
  });
});
