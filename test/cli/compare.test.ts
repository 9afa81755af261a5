/** `retinopathy compare`: what it prints of runs that differ, and what it refuses. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import { parsePredictions } from '../../activities/regression/tables.ts';
import { type ComparedRun, type Comparison, compareRuns } from '../../activities/report/compare-runs.ts';
import { createReportActivities } from '../../activities/report/index.ts';
import type { RunRecord } from '../../activities/run/types.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { putJson } from '../../storage/documents.ts';
import { closeRegression, type SimulatedSet, writeSimulatedSet } from '../regression/simulated-set.ts';
import { retinopathy } from '../support/command.ts';
import { type TestServices, testServices } from '../support/services.ts';

interface Made {
  services: TestServices;
  /** The out folder of the run. */
  out: string;
  compared: ComparedRun;
}

const made: Record<string, Made> = {};

async function make(name: string, set: Partial<SimulatedSet> & { input: PartialPipelineInput }): Promise<void> {
  const services = await testServices();
  const activities = { ...createRegressionActivities(services), ...createReportActivities(services) };
  const { fit, report } = await writeSimulatedSet(services.store, { patients: 300, seed: 1, ...set });
  const environment = new MockActivityEnvironment();
  await closeRegression(services.store, fit, await environment.run(activities.fitRegression, fit));
  await environment.run(activities.writeReport, report);
  const out = join(services.folder, name);
  await mkdir(out);
  await writeFile(join(out, 'state.json'), JSON.stringify({ run: 'simulated', store: services.store.url }));
  const read = async (file: string) => services.store.get(`runs/simulated/${file}`);
  const record = JSON.parse((await read('run.json')).toString()) as RunRecord;
  made[name] = {
    services,
    out,
    compared: {
      ...{ run: name, input: record.input },
      metrics: JSON.parse((await read('report/metrics.json')).toString()),
      predictions: parsePredictions(await read('report/predictions.csv')),
    },
  };
}

beforeAll(async () => {
  await make('plain', { input: {} });
  // The same eyes, seen worse; and the same with other folds, or other eyes altogether.
  await make('worse', { input: { regression: { fellowEye: true } }, quality: 0.5 });
  await make('records', { input: { folds: { unit: 'record' } } });
  await make('others', { input: { synthetic: { seed: 9 } }, seed: 2 });
}, 60_000);
afterAll(() => Promise.all(Object.values(made).map(({ services }) => services.close())));

const compared = (...names: string[]) => compareRuns(names.map(name => made[name]!.compared));

describe('two runs', () => {
  test('on the same eyes are paired: the difference is that of their figures, and narrower than the two intervals', async () => {
    const { differences, runs, inputs } = await compared('plain', 'worse');
    const [{ figures, ...of }] = differences as [Comparison['differences'][number]];
    expect(of).toEqual({
      run: 'worse',
      over: 'plain',
      eyes: runs[0]!.eyes,
      patients: runs[0]!.patients,
      unpaired: null,
    });
    for (const figure of ['qwk', 'auc1', 'accuracy', 'mae'] as const) {
      const [plain, worse] = runs.map(run => run.figures[figure].value!);
      expect(figures[figure].value).toBeCloseTo(worse! - plain!, 12);
    }
    const [low, high] = figures.qwk.interval!;
    expect(high).toBeLessThan(0);
    const widths = runs.map(({ figures }) => figures.qwk.interval![1] - figures.qwk.interval![0]);
    expect(high - low).toBeLessThan(widths[0]! + widths[1]!);
    expect(inputs).toEqual([{ field: 'regression.fellowEye', values: [false, true] }]);
  });

  test('that are the same differ in nothing, to the last digit', async () => {
    const { differences, inputs } = await compared('plain', 'plain');
    expect(inputs).toEqual([]);
    for (const { value, interval } of Object.values(differences[0]!.figures)) {
      expect([value, interval]).toEqual([0, [0, 0]]);
    }
  });

  test.each([
    ['others', 'their pictures are not the same'],
    ['records', 'one judges eyes and the other records'],
  ])('are not paired where that means nothing: %s', async (name, reason) => {
    const { differences, runs } = await compared('plain', name);
    expect(differences[0]).toMatchObject({
      unpaired: reason,
      eyes: 0,
      figures: { qwk: { value: null, interval: null } },
    });
    expect(runs[1]!.figures.qwk.value).not.toBeNull();
  });

  test('are not paired where the graders differ, or no test eye is common', async () => {
    const { compared: plain } = made.plain!;
    const change = async (over: (eye: ComparedRun['predictions'][number]) => object) => {
      const predictions = plain.predictions.map(eye => ({ ...eye, ...over(eye) }));
      return (await compareRuns([plain, { ...plain, predictions }])).differences[0]!.unpaired;
    };
    expect(await change(eye => ({ level: (eye.level + 1) % 5 }))).toBe('their pictures are graded differently');
    expect(await change(eye => ({ image: `9${eye.image}` }))).toBe('their test folds have no eye in common');
  });
});

describe('the command', () => {
  const compare = async (...args: string[]) => {
    const command = retinopathy(['compare', ...args]);
    const { code } = await command.exited;
    return { code, said: command.output() };
  };

  test('takes out folders, and prints inputs, figures and differences', async () => {
    const { code, said } = await compare(made.plain!.out, made.worse!.out, made.records!.out);
    expect(code, said).toBe(0);
    expect(said).toMatch(/regression\.fellowEye +false +true +false/);
    expect(said).toMatch(/QWK +0\.\d{3} \(0\.\d{3} to 0\.\d{3}\) +0\.\d{3} \(/);
    expect(said).toMatch(/accuracy <0>\/<1..4> +0\.\d{3} +0\.\d{3} +0\.\d{3}/);
    expect(said).toMatch(/worse less .*plain, on \d+ test eyes of \d+ patients that both have/);
    expect(said).toMatch(/QWK +−0\.\d{3} \(−0\.\d{3} to −0\.\d{3}\) +beyond chance/);
    expect(said).toContain('cannot be paired: one judges eyes and the other records');
  });

  test('takes ids of runs in a store, and prints JSON', async () => {
    const { store } = made.plain!.services;
    const { code, said } = await compare('simulated', 'simulated', '--store', store.url, '--json');
    expect(code, said).toBe(0);
    const { schemaVersion, runs } = JSON.parse(said) as Comparison;
    expect([schemaVersion, runs.length]).toEqual([1, 2]);
  });

  test.each([
    [['simulated'], 2, 'Expected two or more runs to compare, got 1'],
    [['simulated', 'nobody'], 1, 'Expected a run nobody in file:'],
    [['simulated', 'young'], 1, 'Expected run young to have a report with metrics.json in file:'],
  ])('refuses %j', async (names, code, message) => {
    const { store } = made.plain!.services;
    await putJson(store, 'runs/young/run.json', {}, { overwrite: true });
    const answer = await compare(...names, '--store', store.url);
    expect(answer.said).toContain(`retinopathy: ${message}`);
    expect(answer.code).toBe(code);
  });

  test('says where it looked for a store', async () => {
    const { folder } = made.plain!.services;
    const { code, said } = await compare('one', 'two', '--out', join(folder, 'nothing'));
    expect(code).toBe(1);
    expect(said).toMatch(
      /Expected one to be the out folder of a run, or --store, RETINOPATHY_STORE or --out .* got neither/,
    );
  });
});
