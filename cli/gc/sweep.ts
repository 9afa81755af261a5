/** Finds the objects of a store that no run refers to, and removes them. */
import pLimit from 'p-limit';
import type { RunRecord } from '../../activities/run/types.ts';
import type { TrainedSegments } from '../../activities/training/types.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { getJson } from '../../storage/documents.ts';
import { whileTidying } from '../../storage/gc-lock.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { type ArtifactStore, CorruptObject, type Listed } from '../../storage/store.ts';
import {
  type Inventory,
  type Leftover,
  makesComplete,
  type RunInStore,
  type Sweep,
  type SweepOptions,
  unreferenced,
} from './unreferenced.ts';

/** Finds unreferenced objects, and changes nothing. */
export async function look(store: ArtifactStore, options: SweepOptions): Promise<Sweep> {
  return unreferenced(await takeInventory(store), options);
}

/**
 * Finds and removes unreferenced objects, while no run opens a stage. A kill at any moment leaves nothing that looks complete and
 * is not.
 * @param onRemoved called with each leftover after its removal
 * @throws StoreBusy when another process is collecting garbage
 */
export async function sweep(
  store: ArtifactStore,
  options: SweepOptions,
  onRemoved: (leftover: Leftover) => void,
): Promise<Sweep> {
  return whileTidying(store, async mayGoOn => {
    const found = await look(store, options);
    const remove = async (keys: readonly string[]) => {
      for (const key of keys) {
        await mayGoOn();
        await store.remove(key);
      }
    };
    // Completion marks of all leftovers come first, as the manifest of a download refers to objects of an archive.
    for (const { keys } of found.leftovers) await remove(keys.filter(makesComplete));
    for (const leftover of found.leftovers) {
      await remove(leftover.keys.filter(key => !makesComplete(key)));
      onRemoved(leftover);
    }
    return found;
  });
}

const READS_AT_ONCE = 16;

/** Reads what the decision depends on. @throws Error with a one-line message when a document is corrupt, as nothing is decided then */
async function takeInventory(store: ArtifactStore): Promise<Inventory> {
  const objects: Listed[] = [];
  for (const top of ['archives/', 'latest/', 'runs/', 'stages/']) {
    for await (const object of store.list(top)) objects.push(object);
  }
  const limit = pLimit(READS_AT_ONCE);
  const read = <Content>(pattern: RegExp) =>
    Promise.all(
      objects
        .filter(({ key }) => pattern.test(key))
        .map(({ key }) => limit(async () => [key, await sound(getJson<Content>(store, key))] as const)),
    );

  const manifests = await read<Manifest>(/^stages\/(download|train|segment)\/[^/]+\/manifest\.json$/);
  const inputs = await read<RunRecord>(/^runs\/[^/]+\/run\.json$/);
  const opened = await read<RunInStore['opened'][number]>(/^runs\/[^/]+\/stages\/[^/]+\.json$/);
  const trained = new Map<string, TrainedSegments>();
  for (const [key, manifest] of manifests) {
    const artifact = key.startsWith('stages/train/') && manifest?.outputs['segments.json'];
    if (!artifact) continue;
    const bytes = await sound(getArtifact(store, artifact));
    trained.set(key.slice(0, -'manifest.json'.length), JSON.parse(bytes.toString('utf8')));
  }

  const folders = [...new Set(objects.flatMap(({ key }) => /^runs\/[^/]+\//.exec(key)?.[0] ?? []))];
  const below = <Content>(folder: string, all: readonly (readonly [string, Content | undefined])[]) =>
    all.flatMap(([key, content]) => (key.startsWith(folder) && content !== undefined ? [content] : []));
  return {
    objects,
    trained,
    runs: folders.map(folder => {
      const record = below(folder, inputs)[0];
      return {
        folder,
        run: record?.run ?? folder.slice('runs/'.length, -1),
        input: record?.input ?? null,
        opened: below(folder, opened),
      };
    }),
    manifests: new Map(
      manifests.flatMap(([key, manifest]) => (manifest ? [[key.slice(0, -'manifest.json'.length), manifest]] : [])),
    ),
  };
}

/** Waits for a read. @throws Error with a one-line message when the object is corrupt */
async function sound<Content>(reading: Promise<Content>): Promise<Content> {
  return reading.catch(error => {
    if (!(error instanceof CorruptObject)) throw error;
    throw new Error(`${error.message}; nothing is removed before that run is started again, or the object removed`);
  });
}
