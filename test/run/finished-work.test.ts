/** What an attempt has finished is found by the next one, however it is stored. */
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { finishedOnce } from '../../activities/finished-work.ts';
import { bytesArtifact } from '../../storage/artifacts.ts';
import { crc32c } from '../../storage/checksum.ts';
import { fileKey, putLarge } from '../../storage/large.ts';
import type { Artifact } from '../../storage/store.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
beforeEach(async () => {
  services = await testServices();
});
afterEach(() => services.close());

const bytes = Buffer.from('an LMDB');
const kinds: Record<string, () => Promise<Artifact>> = {
  'one object': async () => {
    const artifact = bytesArtifact('stages/label/1/train-00.mdb', bytes);
    await services.store.put(artifact.key, bytes);
    return artifact;
  },
  chunks: () => {
    const key = `stages/label/1/train-00.mdb/${crc32c(bytes).toString(16).padStart(8, '0')}`;
    return putLarge(services.store, key, {
      size: bytes.length,
      crc32c: crc32c(bytes),
      read: () => Readable.from([bytes]),
    });
  },
};

test.each(Object.keys(kinds))('an artifact stored as %s is made once, and again where it is gone', async kind => {
  let made = 0;
  const once = () =>
    finishedOnce(
      services.store,
      'stages/label/1/train-00.json',
      ({ database }: { database: Artifact }) => [database],
      async () => {
        made++;
        return { database: await kinds[kind]!() };
      },
    );
  const { database, reused } = await once();
  expect(reused).toBe(false);
  expect(await once()).toEqual({ database, reused: true });
  expect(made).toBe(1);
  for await (const { key } of services.store.list(`${fileKey(database.key)}`)) await services.store.remove(key);
  expect(await once()).toMatchObject({ reused: false });
  expect(made).toBe(2);
});
