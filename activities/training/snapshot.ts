/** Reads stored snapshots. Snapshots are verified on every read. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/activity';
import protobuf from 'protobufjs';
import { getArtifact } from '../../storage/artifacts.ts';
import { CorruptObject } from '../../storage/store.ts';
import type { CurvePoint } from '../caffe/caffe-log.ts';
import { pairFiles } from '../caffe/network.ts';
import { CaffeError, DAMAGED_SNAPSHOT } from '../caffe/run-caffe.ts';
import type { ActivityServices } from '../dependencies.ts';
import { type FinishedSegment, readSegment, segmentPrefix } from './segment-manifest.ts';
import type { SpoiltPair } from './types.ts';
import { placeObject } from './workspace.ts';

/**
 * Puts the snapshot of segment `key` into the folder, where Caffe reads it.
 * @param iteration expected iteration of the snapshot
 * @throws `SpoiltPair`, after which the workflow trains that segment again
 */
export async function placePair(
  services: ActivityServices,
  key: string,
  iteration: number,
  folder: string,
): Promise<void> {
  const [model, state] = pairFiles(iteration);
  const pair = await storedPair(services, key);
  if (pair.result.iteration !== iteration)
    throw spoiltPair(key, pair, `it is of iteration ${pair.result.iteration}, not of ${iteration}`);
  await fetchOf(services, pair, key, async () => {
    await placeObject(services, pair.model, folder, model);
    await placeObject(services, pair.state, folder, state);
  });
  // Checksums only prove that the files are as stored. Model and state must also match each other and the iteration.
  const fault = await faultOfPair(folder, model, state, iteration);
  if (fault !== null) throw spoiltPair(key, pair, fault);
}

/** Puts only the weights into the folder, for evaluation. @throws `SpoiltPair` */
export async function placeModel(services: ActivityServices, key: string, folder: string, file: string): Promise<void> {
  const pair = await storedPair(services, key);
  await fetchOf(services, pair, key, () => placeObject(services, pair.model, folder, file));
}

/** Reads a segment and the curve of its training. @throws `SpoiltPair` if either is missing or corrupt */
export async function readCurve(
  services: Pick<ActivityServices, 'store'>,
  key: string,
): Promise<{ segment: FinishedSegment; points: CurvePoint[] }> {
  const segment = await storedPair(services, key);
  const points = await fetchOf(services, segment, key, () => getArtifact(services.store, segment.curve));
  return { segment, points: JSON.parse(points.toString('utf8')) as CurvePoint[] };
}

/** Returns the error to throw for a failure of Caffe: `SpoiltPair` if Caffe rejected a snapshot whose checksums were right. */
export async function unlessRefused({ store }: ActivityServices, key: string | null, error: unknown): Promise<unknown> {
  const refused = key !== null && error instanceof CaffeError && error.code === DAMAGED_SNAPSHOT;
  return refused ? spoiltPair(key, await readSegment(store, key), error.message) : error;
}

async function storedPair({ store }: Pick<ActivityServices, 'store'>, key: string): Promise<FinishedSegment> {
  const pair = await readSegment(store, key);
  if (!pair) throw spoiltPair(key, undefined, 'its manifest is missing or cannot be read');
  return pair;
}

async function fetchOf<Content>(
  { store }: Pick<ActivityServices, 'store'>,
  pair: FinishedSegment,
  key: string,
  fetch: () => Promise<Content>,
): Promise<Content> {
  try {
    return await fetch();
  } catch (error) {
    if (!(error instanceof CorruptObject)) throw error;
    const gone = (await store.head(error.key)) === undefined;
    throw spoiltPair(key, pair, gone ? `${error.key} is not there` : error.message);
  }
}

/** Creates the `SpoiltPair` failure. It is non-retryable, because every attempt reads the same snapshot. */
function spoiltPair(key: string, pair: FinishedSegment | undefined, why: string): ApplicationFailure {
  const details: SpoiltPair = { key, why, instead: pair?.attempt ?? null };
  return ApplicationFailure.create({
    type: 'SpoiltPair',
    message: `Expected a sound snapshot pair under ${segmentPrefix(key)}, but ${why}: its segment is trained again`,
    nonRetryable: true,
    details: [details],
  });
}

/** Field numbers of SolverState in BVLC's caffe.proto. Caffe always writes all of them, in this order. */
const ITERATION = 1;
const LEARNED_NET = 2;
const CURRENT_STEP = 4;

/**
 * Checks the files of a snapshot. Returns the problem, or null if they are complete and of the expected iteration.
 * @param folder Caffe's working folder
 * @param model path relative to it, as in Caffe's arguments, because the state names its model by that path
 * @param iteration expected iteration of the snapshot
 */
export async function faultOfPair(
  folder: string,
  model: string,
  state: string,
  iteration: number,
): Promise<string | null> {
  const layers = fieldsOf(await readIfThere(join(folder, model)));
  if (layers === null || layers.size === 0) return `${model} is missing or cut off`;
  const solver = fieldsOf(await readIfThere(join(folder, state)));
  if (!solver?.has(CURRENT_STEP)) return `${state} is missing or cut off`;
  if (solver.get(ITERATION) !== iteration) return `${state} is of iteration ${solver.get(ITERATION)}`;
  const learned = solver.get(LEARNED_NET);
  if (learned !== model) return `${state} belongs to ${learned}`;
  return null;
}

/** Returns the top-level fields of a message, integers and the learned net with their values; null if the message is truncated. */
function fieldsOf(bytes: Uint8Array): Map<number, number | string | null> | null {
  const reader = protobuf.Reader.create(bytes);
  const fields = new Map<number, number | string | null>();
  try {
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if ((tag & 7) === 0) fields.set(tag >>> 3, reader.int32());
      else if (tag === ((LEARNED_NET << 3) | 2))
        fields.set(LEARNED_NET, Buffer.from(reader.bytes()).toString('latin1'));
      else {
        reader.skipType(tag & 7);
        fields.set(tag >>> 3, null);
      }
    }
  } catch {
    return null;
  }
  return reader.pos === reader.len ? fields : null;
}

async function readIfThere(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Uint8Array();
    throw error;
  }
}
