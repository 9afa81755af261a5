/** A stored snapshot pair, fetched and believed only when all of it fits together: nothing is ever trained or judged from another. */
import { ApplicationFailure } from '@temporalio/activity';
import { ChecksumMismatch, ObjectNotFound } from '../../storage/store.ts';
import type { ActivityServices } from '../services.ts';
import { FILES } from './network.ts';
import { CaffeError, DAMAGED_SNAPSHOT } from './run-caffe.ts';
import { type FinishedSegment, readSegment, segmentPrefix } from './segment-record.ts';
import { faultOfPair } from './snapshot-check.ts';
import type { LossReason, SpoiltPair } from './types.ts';
import { placeObject } from './workspace.ts';

/**
 * Puts the pair of segment `key` into the folder, where Caffe looks for it.
 * @param iteration the one it must be of
 * @throws `SpoiltPair`: the workflow then trains that segment again
 */
export async function placePair(
  services: ActivityServices,
  key: string,
  iteration: number,
  folder: string,
): Promise<void> {
  const [model, state] = (['caffemodel', 'solverstate'] as const).map(kind => FILES.snapshot(iteration, kind)) as [
    string,
    string,
  ];
  const pair = await storedPair(services, key);
  if (pair.result.iteration !== iteration)
    throw spoiltPair(key, pair, 'spoilt', `it is of iteration ${pair.result.iteration}, not of ${iteration}`);
  await fetchOf(pair, key, async () => {
    await placeObject(services, pair.model, folder, model);
    await placeObject(services, pair.state, folder, state);
  });
  // Checksums only say that the files are those that were stored: a pair must also be one of this iteration, and of one kind.
  const fault = await faultOfPair(folder, model, state, iteration);
  if (fault !== null) throw spoiltPair(key, pair, 'spoilt', fault);
}

/** Puts the weights alone into the folder, for judging. @throws `SpoiltPair` */
export async function placeModel(services: ActivityServices, key: string, folder: string, file: string): Promise<void> {
  const pair = await storedPair(services, key);
  await fetchOf(pair, key, () => placeObject(services, pair.model, folder, file));
}

/** What to throw where Caffe ended with `error`: a pair that it refused, though its checksums were right, was stored so. */
export async function unlessRefused({ store }: ActivityServices, key: string | null, error: unknown): Promise<unknown> {
  const refused = key !== null && error instanceof CaffeError && error.code === DAMAGED_SNAPSHOT;
  return refused ? spoiltPair(key, await readSegment(store, key), 'spoilt', error.message) : error;
}

async function storedPair({ store }: ActivityServices, key: string): Promise<FinishedSegment> {
  const pair = await readSegment(store, key);
  if (!pair) throw spoiltPair(key, undefined, 'spoilt', 'its manifest is missing or cannot be read');
  return pair;
}

async function fetchOf(pair: FinishedSegment, key: string, fetch: () => Promise<void>): Promise<void> {
  try {
    await fetch();
  } catch (error) {
    if (error instanceof ObjectNotFound) throw spoiltPair(key, pair, 'removed', `${error.key} is not there`);
    if (error instanceof ChecksumMismatch) throw spoiltPair(key, pair, 'spoilt', error.message);
    throw error;
  }
}

/** Non-retryable, as no other attempt finds a better one: the workflow goes back by a segment. */
function spoiltPair(
  key: string,
  pair: FinishedSegment | undefined,
  reason: LossReason & ('spoilt' | 'removed'),
  why: string,
): ApplicationFailure {
  const details: SpoiltPair = {
    key,
    why,
    instead: pair ? { attempt: pair.attempt, reason, seconds: pair.result.seconds } : null,
  };
  return ApplicationFailure.create({
    type: 'SpoiltPair',
    message: `Expected a sound snapshot pair under ${segmentPrefix(key)}, but ${why}: its segment is trained again`,
    nonRetryable: true,
    details: [details],
  });
}
