import { link, mkdtemp, readdir, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../storage/checksum.ts';
import { createFileStore } from '../../storage/file.ts';
import { heldByUploads } from '../../storage/file-attempts.ts';
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

  const leftovers = async () => [
    ...(await readdir(join(folder, '.tmp', 'passing'))),
    ...(await readdir(join(folder, '.tmp', 'uploads')).catch(() => [])),
  ];
  const put = async (part: Buffer, upload: Awaited<ReturnType<ArtifactStore['openUpload']>>) =>
    upload.put(0, part, crc32c(part));
  const options = { size: 1000, partSize: 500, sourceTag: 'x' };

  it('leaves no temporary file after success', async () => {
    await store.put('a/b', bytesOf(1, 100));
    await store.put('a/b', bytesOf(1, 100));
    await store.put('a/b', bytesOf(1, 100), { overwrite: true });
    const upload = await store.openUpload('a/c', { ...options, size: 500 });
    await put(bytesOf(1, 500), upload);
    await upload.complete(crc32c(bytesOf(1, 500)));
    await upload.close();
    expect(await leftovers()).toEqual([]);
    await store.remove('a/b');
    await store.remove('a/c');
    expect(await readdir(folder)).toEqual(['.tmp']);
  });

  it('needs no upload of another version once the object is there, and keeps those of other objects', async () => {
    const other = await store.openUpload('b', options);
    await put(bytesOf(1, 500), other);
    await other.close();
    const kept = await leftovers();
    const changed = await store.openUpload('a', options);
    await put(bytesOf(1, 500), changed);
    await changed.close();
    const upload = await store.openUpload('a', { ...options, size: 500, sourceTag: 'y' });
    await put(bytesOf(2, 500), upload);
    expect(await leftovers()).toHaveLength(3);
    await upload.complete(crc32c(bytesOf(2, 500)));
    await upload.close();
    expect(await leftovers()).toEqual(kept);
  });

  it('keeps an unfinished upload for a week', async () => {
    const upload = await store.openUpload('a', options);
    await put(bytesOf(1, 500), upload);
    await upload.close();
    await createFileStore(folder).put('other', bytesOf(1, 1));
    const [left] = await leftovers();
    const journal = join(folder, '.tmp', 'uploads', left!, 'journal');
    const old = new Date(Date.now() - 8 * 24 * 3600 * 1000);
    await utimes(journal, old, old);
    await createFileStore(folder).put('another', bytesOf(1, 1));
    expect(await leftovers()).toEqual([]);
  });

  it('has room for what an unfinished upload takes up', async () => {
    const store = createFileStore(folder);
    const size = 8 << 20;
    const upload = await store.openUpload('a', { size: 2 * size, partSize: size, sourceTag: 'x' });
    await upload.put(0, bytesOf(1, size), crc32c(bytesOf(1, size)));
    await upload.close();
    // Looked at by itself: what others write to the disk meanwhile changes what is free.
    const held = await heldByUploads(join(folder, '.tmp'));
    expect(held).toBeGreaterThanOrEqual(size);
    expect(held).toBeLessThan(2 * size);
    expect(await store.room()).toBeGreaterThan(held);
  });

  it('never writes to a file that has become an object', async () => {
    const upload = await store.openUpload('a', options);
    await put(bytesOf(1, 500), upload);
    await upload.put(1, bytesOf(2, 500), crc32c(bytesOf(2, 500)));
    await upload.close();
    // As after a kill between the object's appearing and the tidying up.
    const [left] = await leftovers();
    await link(join(folder, '.tmp', 'uploads', left!, 'data'), join(folder, 'a'));
    const again = await createFileStore(folder).openUpload('a', options);
    expect(again.done.size).toBe(0);
    await put(bytesOf(3, 500), again);
    await again.abort();
    expect((await store.get('a')).equals(Buffer.concat([bytesOf(1, 500), bytesOf(2, 500)]))).toBe(true);
    expect(await leftovers()).toEqual([]);
  });

  it('says which objects are in each other’s way', async () => {
    await store.put('a', bytesOf(1, 1));
    await expect(store.put('a/b', bytesOf(1, 1))).rejects.toThrow('Expected no object above or below');
    await store.put('c/d', bytesOf(1, 1));
    await expect(store.put('c', bytesOf(1, 1))).rejects.toThrow('Expected no object above or below');
  });
});
