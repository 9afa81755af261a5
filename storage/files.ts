/** Files and small objects, in and out of a store. */

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { combineCrc32c, crc32c } from './checksum.ts';
import { withRoom } from './durable-files.ts';
import { type Artifact, type ArtifactStore, ChecksumMismatch, ObjectNotFound } from './store.ts';

/** One part of an upload, and one ranged read. */
const PART = 32 << 20;

/** Describes bytes that lie at the key. */
export function bytesArtifact(key: string, bytes: Uint8Array): Artifact {
  return { key, size: bytes.length, crc32c: crc32c(bytes) };
}

/** Stores bytes if there is no object at the key, and describes what then lies there: an earlier attempt's may have been read already. */
export async function putBytes(store: ArtifactStore, key: string, content: Uint8Array | string): Promise<Artifact> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  const { created } = await store.put(key, bytes);
  return bytesArtifact(key, created ? bytes : await store.get(key));
}

/** Stores a value as JSON, as `putBytes` does. */
export function putJson(store: ArtifactStore, key: string, value: unknown): Promise<Artifact> {
  return putBytes(store, key, `${JSON.stringify(value, null, 2)}\n`);
}

/** The object's bytes; undefined where there is none. */
export async function getIfThere(store: ArtifactStore, key: string): Promise<Buffer | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
}

/** The object as JSON; undefined where there is none. */
export async function getJson<Content>(store: ArtifactStore, key: string): Promise<Content | undefined> {
  const bytes = await getIfThere(store, key);
  return bytes === undefined ? undefined : (JSON.parse(bytes.toString('utf8')) as Content);
}

/** The artifact's bytes. @throws ChecksumMismatch when others lie there than described */
export async function getArtifact(store: ArtifactStore, artifact: Artifact): Promise<Buffer> {
  const { key, offset = 0, size } = artifact;
  const bytes = await store.get(key, { offset, length: size });
  if (bytes.length !== size || crc32c(bytes) !== artifact.crc32c) {
    throw new ChecksumMismatch(
      `Expected ${key} to have ${size} bytes of CRC-32C ${artifact.crc32c}, got ${bytes.length} of ${crc32c(bytes)}: the store was changed behind the pipeline's back`,
    );
  }
  return bytes;
}

/**
 * Stores a file whole, if there is no object at the key, and describes what then lies there. Memory does not grow with its size, and
 * a large one goes on where an attempt with the same bytes was stopped.
 */
export async function putFile(store: ArtifactStore, key: string, path: string): Promise<Artifact> {
  const there = await describeStored(store, key);
  if (there) return there;
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.allocUnsafeSlow(Math.min(size, PART));
    /** Valid until the next call. */
    const read = async (offset: number, length: number) => {
      const { bytesRead } = await handle.read(buffer, 0, length, offset);
      if (bytesRead !== length) throw new Error(`Expected ${path} to keep ${size} bytes while it is stored, got fewer`);
      return buffer.subarray(0, length);
    };
    if (size <= PART) return await putBytes(store, key, await read(0, size));

    const parts = Math.ceil(size / PART);
    const lengthOf = (n: number) => Math.min(PART, size - n * PART);
    let crc = 0;
    const checksums: number[] = [];
    for (let n = 0; n < parts; n++) {
      const part = crc32c(await read(n * PART, lengthOf(n)));
      checksums.push(part);
      crc = combineCrc32c(crc, part, lengthOf(n));
    }
    const upload = await store.openUpload(key, { size, partSize: PART, sourceTag: `crc32c-${crc}` });
    try {
      for (let n = 0; n < parts; n++) {
        if (upload.done.get(n) !== checksums[n]) await upload.put(n, await read(n * PART, lengthOf(n)), checksums[n]!);
      }
      await upload.complete(crc);
    } finally {
      await upload.close();
    }
    return { key, size, crc32c: crc };
  } finally {
    await handle.close();
  }
}

/** The object at the key with its checksum, read part by part unless the store answers for it; undefined where there is none. */
export async function describeStored(store: ArtifactStore, key: string): Promise<Artifact | undefined> {
  const head = await store.head(key);
  if (!head) return undefined;
  if (head.crc32c !== undefined) return { key, size: head.size, crc32c: head.crc32c };
  let crc = 0;
  for (let offset = 0; offset < head.size; offset += PART) {
    crc = crc32c(await store.get(key, { offset, length: PART }), crc);
  }
  return { key, size: head.size, crc32c: crc };
}

/** Copies an artifact into a file, which appears whole. @throws ChecksumMismatch when the store holds other bytes */
export async function getFile(store: ArtifactStore, artifact: Artifact, path: string): Promise<void> {
  const { key, offset = 0, size } = artifact;
  const part = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    const handle = await open(part, 'wx');
    let crc = 0;
    try {
      for (let at = 0; at < size; at += PART) {
        const bytes = await store.get(key, { offset: offset + at, length: Math.min(PART, size - at) });
        crc = crc32c(bytes, crc);
        await withRoom(dirname(path), bytes.length, () => handle.writeFile(bytes));
      }
    } finally {
      await handle.close();
    }
    if (crc !== artifact.crc32c || (await stat(part)).size !== size) {
      throw new ChecksumMismatch(`Expected ${key} to have ${size} bytes of CRC-32C ${artifact.crc32c}, got others`);
    }
    await rename(part, path);
  } finally {
    await rm(part, { force: true });
  }
}

/** CRC-32C of a file of any size. */
export async function fileChecksum(path: string): Promise<number> {
  let crc = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) crc = crc32c(chunk as Buffer, crc);
  return crc;
}
