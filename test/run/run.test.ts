import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRunActivities } from '../../activities/run/index.ts';
import type { CloseStageArgs, OpenStageArgs, RunActivities } from '../../activities/run/types.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
let activities: RunActivities;
beforeEach(async () => {
  services = await testServices();
  activities = createRunActivities(services);
});
afterEach(() => services.close());

/** Calls an activity as a worker does. */
function call<Name extends keyof RunActivities>(
  name: Name,
  args: Parameters<RunActivities[Name]>[0],
): ReturnType<RunActivities[Name]> {
  const activity = activities[name] as (given: typeof args) => ReturnType<RunActivities[Name]>;
  const environment = new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') });
  return environment.run(activity as never, args as never) as ReturnType<RunActivities[Name]>;
}

const prepare = (over: Partial<OpenStageArgs> = {}): OpenStageArgs => ({
  run: 'one',
  name: 'prepare',
  stage: 'prepare',
  recipe: 1,
  inputs: { download: 'aaaa' },
  parameters: { images: { size: 256, versions: ['a', 'r'] } },
  ...over,
});

/** Opens the stage, and closes it with one file. */
async function make(open: OpenStageArgs) {
  const opened = await call('openStage', open);
  const file = await putBytes(services.store, `${opened.prefix}/file`, Buffer.from('content'));
  const close: CloseStageArgs = {
    ...open,
    key: opened.key,
    openedAt: opened.openedAt,
    outputs: { file },
    counts: { pictures: 7 },
  };
  return { opened, close, manifest: await call('closeStage', close) };
}

describe('resolveInput', () => {
  it('stores what will be done, for others to read', async () => {
    const resolved = await call('resolveInput', { run: 'one', input: { training: { epochs: 3 } } });
    expect(resolved).toMatchObject({ run: 'one', input: { source: 'synthetic', training: { epochs: 3, batch: 32 } } });
    const record = await call('readRun', { run: 'one' });
    expect(record).toMatchObject({ schemaVersion: 1, run: 'one', input: resolved.input, stages: {} });
    expect(record.versions).toMatchObject({ node: process.versions.node, temporalSdk: expect.stringMatching(/^1\./) });
  });

  it('refuses a wrong input for good', async () => {
    await expect(call('resolveInput', { run: 'one', input: { training: { epochs: 0 } } })).rejects.toMatchObject({
      type: 'BadInput',
      nonRetryable: true,
      message: 'Expected `training.epochs` to be an integer from 1, got `0`',
    });
    await expect(call('readRun', { run: 'one' })).rejects.toMatchObject({ type: 'BadInput', nonRetryable: true });
  });

  it('takes any id that a workflow may have', async () => {
    const runs = ['dr-2026-11', 'team/dr 1', '../up', '.hidden', 'Ü', 'team_2f_dr 1'];
    for (const [n, run] of runs.entries()) {
      await call('resolveInput', { run, input: { synthetic: { seed: n } } });
      await call('openStage', prepare({ run, recipe: n }));
    }
    for (const [n, run] of runs.entries()) {
      const record = await call('readRun', { run });
      expect([record.run, record.input.synthetic.seed, Object.keys(record.stages)]).toEqual([run, n, ['prepare']]);
    }
  });
});

describe('openStage', () => {
  it('finds equal work, whichever run made it, and says which', async () => {
    const { opened, manifest } = await make(prepare());
    expect(opened).toMatchObject({
      prefix: `stages/prepare/${opened.key}`,
      finished: null,
      reason: 'nothing like it in the store',
    });
    const parameters = { images: { versions: ['a', 'r'], size: 256 } };
    const again = await call('openStage', prepare({ run: 'two', parameters }));
    expect(again).toMatchObject({
      key: opened.key,
      finished: { counts: { pictures: 7 }, seconds: manifest.seconds },
      reason: 'same inputs and parameters as before: made by one',
    });
    await call('resolveInput', { run: 'two', input: {} });
    expect((await call('readRun', { run: 'two' })).stages.prepare).toMatchObject({ reused: true, finished: true });
  });

  it.each([
    [{ parameters: { images: { size: 512, versions: ['a', 'r'] } } }, 'changed: images.size 256 → 512'],
    [{ inputs: { download: 'bbbb' } }, 'changed: inputs.download "aaaa" → "bbbb"'],
    [{ recipe: 2 }, 'changed: recipe 1 → 2'],
    [{ inputs: { download: 'aaaa', fresh: 'two' } }, 'changed: inputs.fresh absent → "two"'],
  ])('has another key for %j, and says what has changed', async (over, reason) => {
    const { opened } = await make(prepare());
    const other = await call('openStage', prepare({ run: 'two', ...over }));
    expect(other.key).not.toBe(opened.key);
    expect(other).toMatchObject({ finished: null, reason });
  });

  it('calls a run by its id, whatever characters that has', async () => {
    await make(prepare({ run: 'team/dr 1' }));
    const { reason } = await call('openStage', prepare({ run: 'two' }));
    expect(reason).toBe('same inputs and parameters as before: made by team/dr 1');
  });

  it('goes on with what was begun', async () => {
    const first = await call('openStage', prepare());
    const second = await call('openStage', prepare());
    expect(second).toMatchObject({ key: first.key, finished: null });
    expect(second.reason).toBe('begun before and not finished: what is there is used');
  });
});

describe('a store of many runs', () => {
  it('is not listed to open and close a stage', async () => {
    await make(prepare({ run: 'earlier' }));
    const list = vi.spyOn(services.store, 'list');
    await make(prepare({ run: 'two' }));
    await call('openStage', prepare({ run: 'two', recipe: 2 }));
    expect(list.mock.calls.flat()).not.toContain('runs/');
    list.mockRestore();
  });
});

describe('closeStage', () => {
  it('writes the manifest that makes the stage complete, once', async () => {
    const { opened, close, manifest } = await make(prepare());
    expect(manifest).toMatchObject({
      stage: 'prepare',
      key: opened.key,
      recipe: 1,
      inputs: { download: 'aaaa' },
      counts: { pictures: 7 },
      outputs: { file: { key: `${opened.prefix}/file`, size: 7 } },
    });
    expect(await call('readManifest', { stage: 'prepare', key: opened.key })).toEqual(manifest);
    expect(await call('closeStage', { ...close, counts: { pictures: 8 } })).toEqual(manifest);
  });

  it('counts no attempts where nobody can tell them, and says so, but for a training, which counts its own', async () => {
    const warn = vi.spyOn(services.log, 'warn');
    const training = await make(prepare({ name: 'train-0-vs-1234', stage: 'train' }));
    expect(warn).not.toHaveBeenCalled();
    const { manifest } = await make(prepare());
    for (const { counts } of [training.manifest, manifest]) expect(counts).toEqual({ pictures: 7 });
    expect(warn.mock.calls).toEqual([[expect.anything(), expect.stringContaining('its attempts are not counted')]]);
  });

  it.each([
    ['absent', (key: string) => ({ key: `${key}-other`, size: 7, crc32c: 0 }), 'got nothing'],
    ['of another size', (key: string) => ({ key, size: 8, crc32c: 0 }), 'got 7'],
    ['a range beyond the end', (key: string) => ({ key, offset: 3, size: 5, crc32c: 0 }), 'got 7'],
  ])('refuses an output that is %s, and leaves the stage open', async (_, artifact, got) => {
    const opened = await call('openStage', prepare());
    const { key } = await putBytes(services.store, `${opened.prefix}/file`, Buffer.from('content'));
    const close = { ...prepare(), key: opened.key, openedAt: opened.openedAt, counts: {} };
    await expect(call('closeStage', { ...close, outputs: { file: artifact(key) } })).rejects.toThrow(got);
    expect(await call('openStage', prepare())).toMatchObject({ finished: null });
  });

  it('loses no update when many stages of a run are opened and closed at once', async () => {
    await call('resolveInput', { run: 'one', input: {} });
    const names = ['train-0-vs-1234', 'train-01-vs-234', 'train-012-vs-34', 'train-0123-vs-4'];
    await Promise.all(names.map((name, k) => make(prepare({ name, stage: 'train', parameters: { heads: [k] } }))));
    const { stages } = await call('readRun', { run: 'one' });
    expect(Object.keys(stages).sort()).toEqual([...names].sort());
    expect(Object.values(stages).every(({ finished, reused }) => finished && !reused)).toBe(true);
  });
});

describe('readManifest', () => {
  it('says that a stage is not finished', async () => {
    await expect(call('readManifest', { stage: 'label', key: 'abc' })).rejects.toMatchObject({
      type: 'BadInput',
      message: expect.stringContaining('Expected stages/label/abc to be finished'),
    });
  });
});
