import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFileStore } from '../../storage/file.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { bytesOf } from './bytes.ts';
import { describeStore } from './contract.ts';

describeStore('file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'retinopathy-store-'));
  return {
    store: createFileStore(join(folder, 'store')),
    close: () => rm(folder, { recursive: true, force: true }),
  };
});

describe('file store', () => {
  let folder: string;
  let store: ArtifactStore;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'retinopathy-store-'));
    store = createFileStore(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('leaves no temporary file, after success and after failure', async () => {
    await store.check();
    await store.put('a/b', bytesOf(1, 100));
    await store.put('a/b', bytesOf(1, 100));
    await store.put('a/b', bytesOf(1, 100), { overwrite: true });
    const failing = (async function* () {
      yield bytesOf(1, 10);
      throw new Error('no more');
    })();
    await store.put('a/c', { size: 20, pieces: failing }).catch(() => {});
    expect(await readdir(join(folder, '.tmp'))).toEqual([]);
    await store.remove('a/b');
    expect(await readdir(folder)).toEqual(['.tmp']);
  });

  it('says which objects are in each other’s way', async () => {
    await store.put('a', bytesOf(1, 1));
    await expect(store.put('a/b', bytesOf(1, 1))).rejects.toThrow('Expected no object above or below');
    await store.put('c/d', bytesOf(1, 1));
    await expect(store.put('c', bytesOf(1, 1))).rejects.toThrow('Expected no object above or below');
  });
});
