/** Reads and writes files and small objects of a store. Every read is checked against the artifact's size and CRC-32C. */

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32c, hex } from './checksum.ts';
import { withRoom } from './fsync.ts';
import { CHUNK_SIZE, isLarge, isLargeStored, openLarge, putLarge } from './large.ts';
import {
  type Artifact,
  type ArtifactStore,
  type ByteRange,
  CorruptObject,
  ObjectNotFound,
  type Pieces,
} from './store.ts';

/** Bytes of one ranged read: whole chunks of a large artifact. */
const STEP = 4 * CHUNK_SIZE;
/** Bytes above which a file is stored in chunks, so that memory does not grow with it. */
const LARGEST_OBJECT = 128 << 20;

/** Describes bytes as the artifact at `key`. */
export function bytesArtifact(key: string, bytes: Uint8Array): Artifact {
  return { key, size: bytes.length, crc32c: crc32c(bytes) };
}

/**
 * Stores bytes and describes them. Reuses an existing object with the same bytes. An object with other bytes is kept but not
 * trusted, as it may come from another attempt or a corrupt disk. The bytes then go to a key of their own.
 */
export function putBytes(store: ArtifactStore, key: string, content: Uint8Array | string): Promise<Artifact> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return putContent(store, bytesArtifact(key, bytes), () => bytes);
}

/**
 * Stores a file and describes it. Treats an existing object as `putBytes` does. A large file is stored in chunks, and an
 * interrupted attempt at it resumes.
 */
export async function putFile(store: ArtifactStore, key: string, path: string): Promise<Artifact> {
  const [{ size }, crc] = [await stat(path), await fileChecksum(path)];
  const read = ({ offset, length }: ByteRange) => createReadStream(path, { start: offset, end: offset + length - 1 });
  if (size > LARGEST_OBJECT) return putLarge(store, `${key}/${hex(crc)}`, { size, crc32c: crc, read });
  return putContent(store, { key, size, crc32c: crc }, () => ({ size, pieces: createReadStream(path) }));
}

async function putContent(
  store: ArtifactStore,
  artifact: Artifact,
  body: () => Uint8Array | Pieces,
): Promise<Artifact> {
  const { key, crc32c: crc } = artifact;
  if ((await store.put(key, body())).created || (await holds(store, artifact))) return artifact;
  // `train-00.mdb` → `train-00.1a2b3c4d.mdb`
  const own = { ...artifact, key: key.replace(/(\.[^./]*)?$/, `.${hex(crc)}$1`) };
  if (!(await store.put(own.key, body())).created && !(await holds(store, own))) {
    await store.put(own.key, body(), { overwrite: true });
  }
  return own;
}

/** Returns whether the store has the artifact in its full size. Reads none of its bytes. */
export async function isStored(store: ArtifactStore, artifact: Artifact): Promise<boolean> {
  if (isLarge(artifact)) return isLargeStored(store, artifact.key);
  const { key, offset, size } = artifact;
  const head = await store.head(key);
  return head !== undefined && (offset === undefined ? head.size === size : head.size >= offset + size);
}

/** Returns the artifact's bytes. @throws CorruptObject when the stored bytes differ */
export async function getArtifact(store: ArtifactStore, artifact: Artifact): Promise<Buffer> {
  return readTwice(store, artifact, async () => {
    const bytes = await (await openArtifact(store, artifact))(0, artifact.size);
    return { content: bytes, size: bytes.length, crc32c: crc32c(bytes) };
  });
}

/** Copies an artifact into a file, which appears whole. @throws CorruptObject when the stored bytes differ */
export async function getFile(store: ArtifactStore, artifact: Artifact, path: string): Promise<void> {
  await readTwice(store, artifact, async () => {
    const part = `${path}.${randomBytes(6).toString('hex')}.part`;
    try {
      const handle = await open(part, 'wx');
      const found = await readPieces(store, artifact, bytes =>
        withRoom(dirname(path), bytes.length, () => handle.writeFile(bytes)),
      ).finally(() => handle.close());
      if (isAs(artifact, found)) await rename(part, path);
      return { content: undefined, ...found };
    } finally {
      await rm(part, { force: true });
    }
  });
}

/** Reads the artifact to its end. @throws CorruptObject when the stored bytes differ */
export async function verifyArtifact(store: ArtifactStore, artifact: Artifact): Promise<void> {
  await readTwice(store, artifact, async () => ({
    content: undefined,
    ...(await readPieces(store, artifact, async () => {})),
  }));
}

/**
 * Verifies the checksum of the bytes that hold a range: its chunks in a large artifact, all of a small one.
 * @param range within the artifact
 * @throws CorruptObject
 */
export async function verifyRange(store: ArtifactStore, artifact: Artifact, range: ByteRange): Promise<void> {
  if (!isLarge(artifact)) return verifyArtifact(store, artifact);
  const { key, offset = 0 } = artifact;
  try {
    await (await openLarge(store, key)).verify({ ...range, offset: offset + range.offset });
  } catch (error) {
    throw error instanceof ObjectNotFound ? await corrupt(store, artifact, undefined) : error;
  }
}

/**
 * Returns a function that reads `length` bytes at `offset` of an artifact, large or not. It returns fewer at the end.
 * @throws ObjectNotFound; CorruptObject for a large one
 */
export async function openArtifact(
  store: ArtifactStore,
  { key, offset: start = 0 }: Pick<Artifact, 'key' | 'offset'>,
): Promise<(offset: number, length: number) => Promise<Buffer>> {
  if (!isLarge({ key })) return (offset, length) => store.get(key, { offset: start + offset, length });
  const large = await openLarge(store, key);
  return (offset, length) => large.read({ offset: start + offset, length });
}

/** Returns the CRC-32C of a file of any size. */
export async function fileChecksum(path: string): Promise<number> {
  let crc = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) crc = crc32c(chunk as Buffer, crc);
  return crc;
}

async function holds(store: ArtifactStore, artifact: Artifact): Promise<boolean> {
  return (await isStored(store, artifact)) && isAs(artifact, await readPieces(store, artifact, async () => {}));
}

interface Found {
  size: number;
  crc32c: number;
}

const isAs = ({ size, crc32c: crc }: Artifact, found: Found) => found.size === size && found.crc32c === crc;

/** Reads an artifact in pieces of bounded size. Stops early where the object ends. */
async function readPieces(
  store: ArtifactStore,
  artifact: Artifact,
  take: (bytes: Buffer) => Promise<void>,
): Promise<Found> {
  const read = await openArtifact(store, artifact);
  const found = { size: 0, crc32c: 0 };
  while (found.size < artifact.size) {
    const bytes = await read(found.size, Math.min(STEP, artifact.size - found.size));
    if (bytes.length === 0) break;
    found.size += bytes.length;
    found.crc32c = crc32c(bytes, found.crc32c);
    await take(bytes);
  }
  return found;
}

/** Reads once more when the bytes look corrupt, because a mismatch may come from the transfer. @throws CorruptObject */
async function readTwice<Content>(
  store: ArtifactStore,
  artifact: Artifact,
  read: () => Promise<Found & { content: Content }>,
): Promise<Content> {
  for (let time = 1; ; time++) {
    const found = await read().catch(error => {
      if (error instanceof ObjectNotFound) return undefined;
      throw error;
    });
    if (found && isAs(artifact, found)) return found.content;
    if (time === 2) throw await corrupt(store, artifact, found);
  }
}

async function corrupt(
  store: ArtifactStore,
  { key, offset = 0, size, crc32c: crc }: Artifact,
  found: Found | undefined,
): Promise<CorruptObject> {
  // For a large artifact this throws an error that names the corrupt chunk: only that chunk must be recreated.
  if (found && isLarge({ key })) await (await openLarge(store, key)).verify({ offset, length: size });
  const bytes = (of: Found) => `${of.size} bytes of CRC-32C ${hex(of.crc32c)}`;
  const got = found === undefined ? 'nothing' : bytes(found);
  return new CorruptObject(
    store,
    key,
    `Expected ${key} in ${store.url} to have ${bytes({ size, crc32c: crc })}, got ${got}`,
  );
}
