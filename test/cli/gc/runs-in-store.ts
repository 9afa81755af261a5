/** A store of three runs that share stages, made by the real activities. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect } from 'vitest';
import { createRunActivities } from '../../../activities/run/index.ts';
import type { OpenStageArgs, RunActivities } from '../../../activities/run/types.ts';
import { putBytes } from '../../../storage/artifacts.ts';
import { putJson } from '../../../storage/documents.ts';
import { putLarge } from '../../../storage/large.ts';
import type { Manifest } from '../../../storage/manifest.ts';
import type { ArtifactStore } from '../../../storage/store.ts';
import { largeSource } from '../../storage/bytes.ts';
import type { TestServices } from '../../support/services.ts';

/** Calls an activity as a worker does. */
export function caller(services: TestServices, store: ArtifactStore) {
  const activities = createRunActivities({ ...services, store });
  return <Name extends keyof RunActivities>(name: Name, args: Parameters<RunActivities[Name]>[0]) =>
    new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') }).run(
      activities[name] as never,
      args as never,
    ) as ReturnType<RunActivities[Name]>;
}

/** What opens a stage of a run. */
export const open = (run: string, stage: 'download' | 'prepare' | 'label', parameters = {}): OpenStageArgs => ({
  ...{ run, name: stage, stage, recipe: 1, inputs: {}, parameters },
});

/** Opens a stage; where it is not finished, closes it with one file and `shards` more, a download with a part in `archives/`. */
async function make(services: TestServices, store: ArtifactStore, args: OpenStageArgs, shards = 0): Promise<string> {
  const call = caller(services, store);
  const { finished, prefix, key, openedAt } = await call('openStage', args);
  if (finished) return prefix;
  const part = 'archives/eyes/train.zip.001/0a1b2c3d';
  const bytes = Buffer.alloc(1000, args.stage);
  const file =
    args.stage === 'download'
      ? await putLarge(store, `${part}/part`, largeSource(bytes), { chunkSize: 400 })
      : await putBytes(store, `${prefix}/data`, bytes);
  if (args.stage === 'download') await putJson(store, `${part}/part.json`, {});
  const names = Array.from({ length: shards }, (_, n) => `shard-${n}.tar`);
  const more = await Promise.all(names.map(name => putBytes(store, `${prefix}/${name}`, Buffer.alloc(100, name))));
  const outputs = { file, ...Object.fromEntries(names.map((name, n) => [name, more[n]!])) };
  await call('closeStage', { ...args, key, openedAt, outputs, counts: {} });
  return prefix;
}

/** The stages of each run, with the parameters that tell them apart: `one` and `two` share download and pictures, `three` the download. */
export const STAGES_OF = {
  one: [open('one', 'download'), open('one', 'prepare', { size: 64 }), open('one', 'label', { seed: 1 })],
  two: [open('two', 'download'), open('two', 'prepare', { size: 64 }), open('two', 'label', { seed: 2 })],
  three: [open('three', 'download'), open('three', 'prepare', { size: 96 }), open('three', 'label', { seed: 3 })],
} as const;

/**
 * Makes them.
 * @param shards how many files the pictures of `three` have
 * @returns the folders that only `three` refers to, its pictures first, and that of a run that somebody has removed by hand
 */
export async function threeRuns(services: TestServices, store: ArtifactStore, shards = 0): Promise<{ own: string[] }> {
  const own: string[] = [];
  for (const [run, [download, prepare, label]] of Object.entries(STAGES_OF)) {
    await caller(services, store)('resolveInput', { run, input: { until: 'label' } });
    await make(services, store, download);
    const isLast = run === 'three';
    const made = [await make(services, store, prepare, isLast ? shards : 0), await make(services, store, label)];
    if (isLast) own.push(...made, 'runs/three');
  }
  await store.put('runs/gone/tensorboard/train-0-vs-1234/events.out.tfevents.1', Buffer.alloc(50));
  return { own: [...own, 'runs/gone'] };
}

export async function keysIn(store: ArtifactStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

/** Every stage that has a manifest has all that the manifest names. */
export async function expectWhole(store: ArtifactStore): Promise<void> {
  for (const key of await keysIn(store)) {
    if (!/^stages\/.*\/manifest\.json$/.test(key)) continue;
    const { outputs } = JSON.parse((await store.get(key)).toString()) as Manifest;
    for (const output of Object.values(outputs)) expect(await store.head(output.key)).toBeDefined();
  }
}
