import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bytesArtifact, getArtifact, getFile, putBytes, putFile } from '../../storage/artifacts.ts';
import { cachedFile, cacheLimit, distrustCopy } from '../../storage/cache.ts';
import { crc32c } from '../../storage/checksum.ts';
import { createFileStore } from '../../storage/file.ts';
import { openStore } from '../../storage/open.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';
import { bytesOf } from './bytes.ts';

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retinopathy-files-'));
  store = createFileStore(join(folder, 'store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const hex = (crc: number) => crc.toString(16).padStart(8, '0');

const write = async (name: string, bytes: Uint8Array) => {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
};

describe('files', () => {
  it.each([0, 1000, 40_000_000])('goes in and out with %i bytes', async size => {
    const bytes = bytesOf(3, size);
    const artifact = await putFile(store, 'a/file', await write('in', bytes));
    expect(artifact).toEqual({ key: 'a/file', size, crc32c: crc32c(bytes) });
    await getFile(store, artifact, join(folder, 'out'));
    expect((await readFile(join(folder, 'out'))).equals(bytes)).toBe(true);
    expect((await readdir(folder)).sort()).toEqual(['in', 'out', 'store']);
  });

  it.each([100, 40_000_000])(
    'finds %i bytes that an earlier attempt stored, and stores others beside them',
    async size => {
      const first = await putFile(store, 'a.mdb', await write('one', bytesOf(1, size)));
      const second = await putFile(store, 'a.mdb', await write('two', bytesOf(2, size)));
      expect(second).toEqual(bytesArtifact(`a.${hex(second.crc32c)}.mdb`, bytesOf(2, size)));
      const puts = [1, 2].flatMap(n => [
        putBytes(store, 'a.mdb', bytesOf(n, size)),
        write(`again-${n}`, bytesOf(n, size)).then(path => putFile(store, 'a.mdb', path)),
      ]);
      expect(await Promise.all(puts)).toEqual([first, first, second, second]);
      for (const [artifact, n] of [
        [first, 1],
        [second, 2],
      ] as const) {
        expect((await getArtifact(store, artifact)).equals(bytesOf(n, size))).toBe(true);
      }
    },
  );

  it('believes no corrupt object that lies where its own would', async () => {
    await putBytes(store, 'a.csv', bytesOf(1, 100));
    const second = await putBytes(store, 'a.csv', bytesOf(2, 100));
    await store.put(second.key, bytesOf(3, 100), { overwrite: true });
    expect(await putBytes(store, 'a.csv', bytesOf(2, 100))).toEqual(second);
    expect((await getArtifact(store, second)).equals(bytesOf(2, 100))).toBe(true);
  });

  it('takes a range of an object as a file', async () => {
    const bytes = bytesOf(1, 1000);
    await store.put('a', bytes);
    const part = { key: 'a', offset: 100, size: 50, crc32c: crc32c(bytes.subarray(100, 150)) };
    await getFile(store, part, join(folder, 'out'));
    expect((await readFile(join(folder, 'out'))).equals(bytes.subarray(100, 150))).toBe(true);
    expect((await getArtifact(store, part)).equals(bytes.subarray(100, 150))).toBe(true);
  });

  it('gives no file when the store holds other bytes', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 100));
    await store.put('a', bytesOf(2, 100), { overwrite: true });
    await expect(getFile(store, artifact, join(folder, 'out'))).rejects.toThrow(CorruptObject);
    await expect(getArtifact(store, artifact)).rejects.toThrow(CorruptObject);
    expect(await readdir(folder)).toEqual(['store']);
  });

  it('reads once more what a read has spoilt on its way', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 100));
    let reads = 0;
    const flaky: ArtifactStore = {
      ...store,
      get: async (...args) => (++reads % 2 ? bytesOf(2, 100) : store.get(...args)),
    };
    expect((await getArtifact(flaky, artifact)).equals(bytesOf(1, 100))).toBe(true);
    await getFile(flaky, artifact, join(folder, 'out'));
    expect((await readFile(join(folder, 'out'))).equals(bytesOf(1, 100))).toBe(true);
    expect(reads).toBe(4);
  });
});

describe('cachedFile', () => {
  const HOUR = 3600_000;
  let cache: string;
  beforeEach(async () => {
    cache = await mkdtemp(join(folder, 'cache-'));
  });
  const age = (path: string, hours: number) => {
    const then = new Date(Date.now() - hours * HOUR);
    return utimes(path, then, then);
  };

  it('fetches once for many that ask at once', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 100_000));
    let reads = 0;
    const counting: ArtifactStore = {
      ...store,
      get(...args) {
        reads++;
        return store.get(...args);
      },
    };
    const paths = await Promise.all([1, 2, 3].map(() => cachedFile(counting, cache, artifact)));
    paths.push(await cachedFile(counting, cache, artifact));
    expect(new Set(paths).size).toBe(1);
    expect(reads).toBe(1);
    expect((await readFile(paths[0]!)).equals(bytesOf(1, 100_000))).toBe(true);
    expect(await readdir(cache)).toHaveLength(1);
  });

  it('makes room by the least recently used, and never by what is in use', async () => {
    const artifacts = await Promise.all([1, 2, 3, 4].map(n => putBytes(store, `a${n}`, bytesOf(n, 1000))));
    const [one, two, three] = (await Promise.all(
      artifacts.slice(0, 3).map(artifact => cachedFile(store, cache, artifact)),
    )) as [string, string, string];
    await Promise.all([age(one, 3), age(two, 4), age(three, 5)]);
    await cachedFile(store, cache, artifacts[2]!);
    const four = await cachedFile(store, cache, artifacts[3]!, { limit: 3000 });
    expect(await names()).toEqual([one, three, four].sort());
    await age(one, 3);
    await cachedFile(store, cache, artifacts[1]!, { limit: 0 });
    expect(await names()).toEqual([two, three, four].sort());
  });
  const names = async () => (await readdir(cache)).map(name => join(cache, name)).sort();

  it('keeps nothing that the store does not vouch for', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 1000));
    await store.put('a', bytesOf(2, 1000), { overwrite: true });
    await expect(cachedFile(store, cache, artifact)).rejects.toThrow(CorruptObject);
    expect(await readdir(cache)).toEqual([]);
  });

  it('fetches a copy again that is corrupt when a process first uses it, or that its reader has refused', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 1000));
    const name = async () => (await readdir(cache))[0]!;
    const other = await mkdtemp(join(folder, 'cache-'));
    const path = await cachedFile(store, other, artifact);
    // As another process has left it.
    await writeFile(join(cache, path.slice(other.length + 1)), bytesOf(2, 1000));
    expect((await readFile(await cachedFile(store, cache, artifact))).equals(bytesOf(1, 1000))).toBe(true);
    await writeFile(join(cache, await name()), bytesOf(2, 1000));
    distrustCopy(join(cache, await name()));
    expect((await readFile(await cachedFile(store, cache, artifact))).equals(bytesOf(1, 1000))).toBe(true);
  });

  it('fetches again what was cut short', async () => {
    const artifact = await putBytes(store, 'a', bytesOf(1, 1000));
    const path = await cachedFile(store, cache, artifact);
    await writeFile(path, 'torn');
    await cachedFile(store, cache, artifact);
    expect((await stat(path)).size).toBe(1000);
  });

  it('takes its limit from a setting', () => {
    expect(cacheLimit({})).toBe(100e9);
    expect(cacheLimit({ RETINOPATHY_CACHE_GB: '2.5' })).toBe(2.5e9);
    expect(() => cacheLimit({ RETINOPATHY_CACHE_GB: 'much' })).toThrow(
      'Expected RETINOPATHY_CACHE_GB to be a number from 0, got `much`',
    );
  });
});

describe('openStore', () => {
  it('opens a folder by its URL', async () => {
    await store.put('a', bytesOf(1, 10));
    expect(await (await openStore(store.url)).head('a')).toEqual({ size: 10 });
    expect((await openStore('file:///tmp/x')).url).toBe('file:/tmp/x');
  });

  it.each(['', '/tmp/x', 'file:', 'ftp://x', 's3', 's3:', 's3://', 's3://B/x', 's3://bucket/a//b', 's3://bucket/..'])(
    'says what it expected instead of %j',
    async url => {
      await expect(openStore(url)).rejects.toThrow(`got \`${url}\``);
    },
  );
});
