/** What lies in a store, and what its runs say of themselves: all that deciding what nothing refers to needs. */
import pLimit from 'p-limit';
import type { StageRecord } from '../activities/run/records.ts';
import type { RunRecord } from '../activities/run/types.ts';
import type { PipelineInput } from '../config/input.ts';
import { getIfThere } from '../storage/files.ts';
import type { Manifest } from '../storage/manifest.ts';
import type { ArtifactStore, Listed } from '../storage/store.ts';

/** A stage that a run has opened. */
export type Opened = Pick<StageRecord, 'name' | 'stage' | 'key' | 'finished'>;

export interface RunInStore {
  /** Below `runs/`, with a slash at the end: `runs/dr-2026-11/`. */
  folder: string;
  /** As a person knows it. */
  run: string;
  /** Null where there is no run.json. */
  input: PipelineInput | null;
  opened: Opened[];
  /** By training, the segments whose pairs it may still need. */
  held: { name: string; segments: string[] }[];
}

export interface Inventory {
  objects: Listed[];
  runs: RunInStore[];
  /** Manifests of downloads, trainings and segments, by their folder: `stages/segment/<key>/`. */
  manifests: Map<string, Manifest>;
}

const READS_AT_ONCE = 16;

/** Reads it. A file that cannot be read stands for nothing, except a run's: then nothing can be decided. */
export async function takeInventory(store: ArtifactStore): Promise<Inventory> {
  const objects: Listed[] = [];
  for (const top of ['archives/', 'runs/', 'stages/']) {
    for await (const object of store.list(top)) objects.push(object);
  }
  const limit = pLimit(READS_AT_ONCE);
  const read = <Content>(pattern: RegExp, strict: boolean) =>
    Promise.all(
      objects
        .filter(({ key }) => pattern.test(key))
        .map(({ key }) => limit(async () => [key, await readJson<Content>(store, key, strict)] as const)),
    );

  const manifests = await read<Manifest>(/^stages\/(download|train|segment)\/[^/]+\/manifest\.json$/, false);
  const inputs = await read<RunRecord>(/^runs\/[^/]+\/run\.json$/, true);
  const opened = await read<Opened>(/^runs\/[^/]+\/(stages|claims)\/[^/]+\.json$/, true);
  const held = await read<{ segments: string[] }>(/^runs\/[^/]+\/pairs\/[^/]+\.json$/, true);

  const folders = [...new Set(objects.flatMap(({ key }) => /^runs\/[^/]+\//.exec(key)?.[0] ?? []))];
  const below = <Content>(folder: string, all: readonly (readonly [string, Content | undefined])[]) =>
    all.flatMap(([key, content]) => (key.startsWith(folder) && content !== undefined ? [content] : []));
  const named = held.map(([key, content]) => {
    const name = key.slice(key.lastIndexOf('/') + 1, -'.json'.length);
    return [key, content && { name, segments: content.segments }] as const;
  });
  return {
    objects,
    runs: folders.map(folder => {
      const record = below(folder, inputs)[0];
      return {
        folder,
        run: record?.run ?? folder.slice('runs/'.length, -1),
        input: record?.input ?? null,
        opened: below(folder, opened),
        held: below(folder, named),
      };
    }),
    manifests: new Map(
      manifests.flatMap(([key, manifest]) => (manifest ? [[key.slice(0, -'manifest.json'.length), manifest]] : [])),
    ),
  };
}

/** @throws Error with one line for a person, where it is `strict` and there is something else than JSON */
async function readJson<Content>(store: ArtifactStore, key: string, strict: boolean): Promise<Content | undefined> {
  const bytes = await getIfThere(store, key);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8')) as Content;
  } catch (error) {
    if (!strict) return undefined;
    throw new Error(
      `Expected ${key} in ${store.url} to be JSON, got: ${(error as Error).message}; nothing is removed while it cannot be read`,
    );
  }
}
