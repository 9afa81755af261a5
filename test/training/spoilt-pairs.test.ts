/** Snapshot pairs that were spoilt, removed or exchanged in the store: noticed, trained again, and the result is the same to the byte. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FinishedSegment, readSegment, segmentPrefix } from '../../activities/training/segment-manifest.ts';
import { getJson, putJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { labelStage, prepareStage, tinyInput } from './prepared.ts';
import { pairsOf, segmentsOf, type TrainingWorld, trainingWorld, weightsOf } from './world.ts';

/** A rate that does not hang on the length of the run: so a longer run goes on where a shorter one ended. */
const FIXED = { policy: { type: 'fixed' } } as const;
const [short, long] = [tinyInput({ ...FIXED, epochs: 1 }), tinyInput({ ...FIXED, epochs: 2 })];

let world: TrainingWorld;
/** Two segments of an epoch are trained. */
let half: ArtifactStore;
/** The four segments that a calm run comes to, and the weights at its end. */
let segments: string[];
let weights: string;

beforeAll(async () => {
  world = await trainingWorld();
  const input = tinyInput();
  await labelStage(world.services, await prepareStage(world.services.store, 20), input);
  await world.train('calm', short);
  half = world.services.store;
  const whole = await world.useCopy('whole');
  const result = await world.train('calm-whole', long);
  segments = await segmentsOf(whole);
  weights = await weightsOf(whole, segments[3]!);
  // The finished epoch is gone on from.
  expect(result.splits[0]).toMatchObject({ segmentsReused: 2, segmentsTrained: 2, lost: { attempts: 0 } });
});

afterAll(() => world?.close());

async function change(store: ArtifactStore, key: string, edit: (bytes: Buffer) => Buffer): Promise<void> {
  await store.put(key, edit(await store.get(key)), { overwrite: true });
}

const pair = async (store: ArtifactStore, n: number): Promise<FinishedSegment> =>
  (await readSegment(store, segments[n]!))!;

async function removeManifest(store: ArtifactStore, n: number): Promise<void> {
  await store.remove(`${segmentPrefix(segments[n]!)}/manifest.json`);
}

async function editManifest(store: ArtifactStore, n: number, edit: (manifest: Manifest) => void): Promise<void> {
  const key = `${segmentPrefix(segments[n]!)}/manifest.json`;
  const manifest = (await getJson<Manifest>(store, key))!;
  edit(manifest);
  await putJson(store, key, manifest, { overwrite: true });
}

function flipBit(bytes: Buffer): Buffer {
  bytes[bytes.length >> 1]! ^= 4;
  return bytes;
}

interface Case {
  name: string;
  spoil: (store: ArtifactStore) => Promise<void>;
  /** Attempts that are lost by it; none where nothing is left to say that there was one. */
  lost: number;
  /** What the workflow is told; null where a run that comes later finds nothing, and trains without a word. */
  why: RegExp | null;
}

const cases: Case[] = [
  {
    name: 'a solverstate cut by 2 bytes',
    spoil: async store => change(store, (await pair(store, 1)).state.key, bytes => bytes.subarray(0, -2)),
    lost: 1,
    why: /solverstate in file:\S+ to have \d+ bytes/,
  },
  {
    name: 'a caffemodel with one flipped bit',
    spoil: async store => change(store, (await pair(store, 1)).model.key, flipBit),
    lost: 1,
    why: /caffemodel in file:\S+ to have \d+ bytes of CRC-32C/,
  },
  {
    name: 'a pair of two iterations',
    // As a program would leave it that mixes up two snapshots: every checksum is right.
    spoil: async store => {
      const { state } = await pair(store, 0);
      await editManifest(store, 1, ({ outputs }) => {
        outputs.solverstate = state;
      });
    },
    lost: 1,
    why: /solverstate is of iteration 8/,
  },
  {
    name: 'a missing half',
    spoil: async store => store.remove((await pair(store, 1)).state.key),
    lost: 1,
    why: /solverstate is not there/,
  },
  {
    name: 'a missing manifest',
    spoil: store => removeManifest(store, 1),
    lost: 0,
    why: null,
  },
  {
    name: 'a manifest that is cut off',
    spoil: store => change(store, `${segmentPrefix(segments[1]!)}/manifest.json`, bytes => bytes.subarray(0, 300)),
    lost: 0,
    why: null,
  },
  {
    name: 'two spoilt pairs in a row, the first of the chain among them',
    spoil: async store => {
      for (const n of [0, 1]) await change(store, (await pair(store, n)).model.key, flipBit);
    },
    lost: 2,
    why: /caffemodel in file:\S+ to have/,
  },
];

test.each(cases)('$name: trained again, and said; the end is the same', async ({ name, spoil, lost, why }) => {
  const run = name.replaceAll(/\W/g, '-');
  const store = await world.useCopy(run, half);
  await spoil(store);
  const result = await world.train(run, long);

  expect(await weightsOf(store, segments[3]!)).toBe(weights);
  expect(result.splits[0]!.lost).toMatchObject({ attempts: lost, iterations: 8 * lost });
  expect(result.counts).toMatchObject({ attemptsLost: lost, iterationsLost: 8 * lost });

  const handle = world.environment.client.workflow.getHandle(`${run}/train-01-vs-234`);
  const { events } = await handle.fetchHistory();
  const failures = events!.flatMap(event => event.activityTaskFailedEventAttributes?.failure?.message ?? []);
  expect(failures).toHaveLength(lost);
  if (why) {
    expect(failures[0]).toMatch(why);
    const { currentDetails } = (await handle.query('__temporal_workflow_metadata')) as { currentDetails: string };
    expect(currentDetails).toMatch(/segment 2 is trained again: /);
  }
  // What is in the store can be gone on from: nothing is left of what was spoilt.
  expect(await pairsOf(store)).toEqual(expect.arrayContaining(segments.slice(2)));
  for (const n of [2, 3]) expect((await pair(store, n)).result.lost.attempts).toBe(0);
});
