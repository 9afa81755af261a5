/**
 * Which snapshot pairs stay in the store. Pairs are named by what went into them, so that several trainings may start from the
 * same: each training writes down which it may still need, and a pair goes when the training that no longer needs it finds it in
 * nobody's list. Removing one too many costs time and nothing else, as a missing pair is trained again.
 */
import { getJson } from '../../storage/files.ts';
import { keySegment, runFolder } from '../../storage/key-names.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { segmentPrefix } from './segment-record.ts';
import type { TrainingArgs } from './types.ts';

/** `runs/<run>/pairs/<name>.json` */
interface Held {
  segments: string[];
}

type Training = Pick<TrainingArgs, 'run' | 'name'>;

/** Pairs are the two files of a snapshot; curves, journals and manifests stay. */
const PAIR = /\.(caffemodel|solverstate)$/;

function heldKey({ run, name }: Training): string {
  return `${runFolder(run)}/pairs/${keySegment(name)}.json`;
}

/** Writes down the segments whose pairs the training may still need, instead of what it held before. */
export async function hold(store: ArtifactStore, training: Training, segments: readonly string[]): Promise<void> {
  const held: Held = { segments: [...new Set(segments)] };
  await store.put(heldKey(training), Buffer.from(JSON.stringify(held)), { overwrite: true });
}

/** The same, beside what it held before: for a training that is only beginning and does not know its best yet. */
export async function holdMore(store: ArtifactStore, training: Training, segments: readonly string[]): Promise<void> {
  const before = await getJson<Held>(store, heldKey(training));
  await hold(store, training, [...(before?.segments ?? []), ...segments]);
}

/** Removes the pairs of the segments that no training holds. */
export async function dropPairs(store: ArtifactStore, segments: readonly string[]): Promise<void> {
  if (segments.length === 0) return;
  const held = await heldByAnybody(store);
  for (const segment of segments) {
    if (held.has(segment)) continue;
    const pairs: string[] = [];
    for await (const { key } of store.list(`${segmentPrefix(segment)}/`)) if (PAIR.test(key)) pairs.push(key);
    for (const key of pairs) await store.remove(key);
  }
}

async function heldByAnybody(store: ArtifactStore): Promise<Set<string>> {
  const held = new Set<string>();
  for await (const { key } of store.list('runs/')) {
    if (!/^runs\/[^/]+\/pairs\/[^/]+\.json$/.test(key)) continue;
    for (const segment of (await getJson<Held>(store, key))?.segments ?? []) held.add(segment);
  }
  return held;
}
