/** Which snapshot pairs stay in the store. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pruneSnapshots } from '../../activities/training/segment-manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { labelStage, prepareStage, tinyInput } from './prepared.ts';
import { pairsOf, segmentsOf, type TrainingWorld, trainingWorld } from './world.ts';

const input = (epochs: number) => tinyInput({ policy: { type: 'fixed' }, epochs });
let world: TrainingWorld;
let store: ArtifactStore;

beforeAll(async () => {
  world = await trainingWorld();
  store = world.services.store;
  await labelStage(world.services, await prepareStage(store, 20), tinyInput());
});

afterAll(() => world?.close());

describe('a training of three epochs', () => {
  let segments: string[];
  let best: number;
  let kept: string[];

  beforeAll(async () => {
    const result = await world.train('three', input(3));
    segments = await segmentsOf(store);
    best = 2 * result.splits[0]!.bestEpoch! - 1;
    kept = [...new Set([segments[best]!, ...segments.slice(4)])].sort();
  });

  test('leaves the last two pairs and the best, and all curves and manifests', async () => {
    expect(segments).toHaveLength(6);
    expect((await pairsOf(store)).sort()).toEqual(kept);
    for (const segment of segments) {
      const files: string[] = [];
      for await (const { key } of store.list(`stages/segment/${segment}/`)) files.push(key.split('/').at(-1)!);
      expect(files).toEqual(expect.arrayContaining(['curve.json', 'manifest.json']));
    }
  });

  test('is gone on from by a longer one, whose removals leave the pairs of the first', async () => {
    const result = await world.train('four', input(4));
    expect(result.splits[0]).toMatchObject({ segmentsReused: 6, segmentsTrained: 2, lost: { attempts: 0 } });
    segments = await segmentsOf(store);
    const pairs = await pairsOf(store);
    expect(pairs).toEqual(expect.arrayContaining([...kept, ...segments.slice(6)]));
    expect(pairs.length).toBeLessThanOrEqual(5);
  });

  test('a shorter one whose best pair was removed trains it again', async () => {
    const other = await world.useCopy('shorter');
    for (const n of [0, 1]) {
      for await (const { key } of other.list(`stages/segment/${segments[n]!}/`))
        if (/\.(caffemodel|solverstate)$/.test(key)) await other.remove(key);
    }
    const result = await world.train('one', input(1));
    expect(result.splits[0]).toMatchObject({ bestEpoch: 1, lost: { attempts: 2 } });
    expect(await pairsOf(other)).toEqual(expect.arrayContaining([segments[0]!, segments[1]!]));
  });
});

test('a run removes only the snapshots that it has trained itself', async () => {
  const segments = await segmentsOf(store);
  const pairs = await pairsOf(store);
  await pruneSnapshots(store, 'four', segments);
  expect(await pairsOf(store)).toEqual(pairs.filter(key => !segments.slice(6).includes(key)));
});
