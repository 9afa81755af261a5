/**
 * Uploads of the file driver: parts are written at their places in a data file, and a journal beside it says which are there.
 *
 * Every attempt has a folder of its own, `.tmp/uploads/<hash of the key>.<hash of what is uploaded>~<whose>/{data,journal}`, and nobody else ever writes there.
 * An attempt that begins takes over, by one rename, the folder of one that has let go or whose process is gone. From one that still
 * lives (a late first attempt) it copies the parts that are done instead: both may then go on, at the price of the space. So no
 * file that another attempt could still write to ever becomes a stored object.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { combineCrc32c, crc32c, sha256 } from './checksum.ts';
import { withRoom } from './durable-files.ts';
import { copyParts, discard, discardFree, idleName, takeOver } from './file-attempts.ts';
import { groupCommit } from './group-commit.ts';
import { ownerName } from './owner.ts';
import { ChecksumMismatch, type PartWriter, type Upload, type UploadOptions } from './store.ts';
import { openJournal, type UploadJournal } from './upload-journal.ts';
import { partsOfUpload, workUnderWay } from './upload-parts.ts';

/** The most that one call may gather (IOV_MAX). */
const MOST_BUFFERS = 1024;

export interface UploadPlace {
  key: string;
  /** `.tmp` of the store. */
  temporary: string;
  /** Makes the file the object `key`; false when there is one already, which stays. */
  publish(file: string): Promise<boolean>;
  /** CRC-32C of the object `key`, read from it; undefined where there is none of this size. */
  existing(size: number): Promise<number | undefined>;
}

export async function openFileUpload(place: UploadPlace, options: UploadOptions): Promise<Upload> {
  const { key, temporary } = place;
  const { size, partSize, sourceTag } = options;
  const { count: parts, lengthOf, expect: expectPart } = partsOfUpload(key, options);
  const uploads = join(temporary, 'uploads');
  await mkdir(uploads, { recursive: true });
  const ofKey = sha256(key).slice(0, 16);
  const what = `${ofKey}.${sha256(JSON.stringify([sourceTag, size, partSize])).slice(0, 32)}`;
  const own = join(uploads, `${what}~${ownerName()}`);
  const others = await takeOver(uploads, what, own, temporary);
  const dataFile = join(own, 'data');
  const { data, journal } = await openFiles(dataFile, join(own, 'journal'));

  let state: 'open' | 'completed' | 'ended' = 'open';
  let completed: number | undefined;
  const expectOpen = (what: string) => {
    if (state !== 'open') throw new Error(`Expected the upload of ${key} to be open, got ${what} after its end`);
  };

  const { during, settled } = workUnderWay();
  const inTurn = turns();
  const atLast = <Result>(work: () => Promise<Result>): Promise<Result> =>
    inTurn('end', async () => {
      await settled();
      return work();
    });
  const commit = groupCommit<readonly [number, number]>(async finished => {
    await data.datasync();
    await inTurn('journal', () => journal.record(finished));
  });
  const closeFiles = () => Promise.allSettled([data.close(), journal.close()]);
  const end = async (as: 'completed' | 'ended') => {
    state = as;
    await closeFiles();
    await discard(own, temporary);
  };

  /** The only writer of part `n`, until it is finished or released. */
  async function beginPart(n: number): Promise<PartWriter> {
    if (journal.done.has(n)) await inTurn('journal', () => journal.withdraw(n));
    let written = 0;
    const write = async (position: number, bytes: readonly Uint8Array[]) => {
      expectOpen(`bytes of part ${n}`);
      const length = bytes.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (position < 0 || position + length > lengthOf(n)) {
        throw new RangeError(`Expected bytes within part ${n} of ${key}, got ${length} at ${position}`);
      }
      await withRoom(temporary, length, () => writeAt(data, bytes, n * partSize + position));
      written += length;
    };
    const finish = async (crc: number) => {
      expectOpen(`the end of part ${n}`);
      expectPart(n, written);
      await withRoom(temporary, written, () => commit([n, crc]));
    };
    return {
      write: (position, bytes) => during(write(position, bytes)),
      finish: crc => during(finish(crc)),
      release() {},
    };
  }

  async function put(n: number, bytes: Uint8Array, crc: number): Promise<void> {
    expectOpen(`part ${n}`);
    expectPart(n, bytes.length);
    const actual = crc32c(bytes);
    if (actual !== crc)
      throw new ChecksumMismatch(`Expected part ${n} of ${key} to have CRC-32C ${crc}, got ${actual}`);
    if (journal.done.get(n) === crc) return;
    const part = await beginPart(n);
    await part.write(0, [bytes]);
    await part.finish(crc);
  }

  async function complete(crc: number): Promise<void> {
    if (crc === completed) return;
    expectOpen('its completion');
    if (journal.done.size < parts) {
      if ((await place.existing(size)) !== crc) {
        throw new Error(`Expected all ${parts} parts of ${key} before its completion, got ${journal.done.size}`);
      }
    } else {
      let whole = 0;
      for (let n = 0; n < parts; n++) whole = combineCrc32c(whole, journal.done.get(n)!, lengthOf(n));
      if (whole !== crc) {
        await end('ended');
        throw new ChecksumMismatch(`Expected the parts of ${key} to add up to CRC-32C ${crc}, got ${whole}`);
      }
      if (!(await place.publish(dataFile))) {
        const there = await place.existing(size);
        if (there !== crc) {
          await end('ended');
          throw new ChecksumMismatch(
            `Expected ${key} to be absent or to have ${size} bytes of CRC-32C ${crc}, got ${there ?? 'another size'}`,
          );
        }
      }
    }
    completed = crc;
    await end('completed');
    await discardFree(uploads, ofKey, temporary);
  }

  const upload: Upload = {
    done: journal.done,
    // Two writes of the same part must not mix.
    put: (n, bytes, crc) => during(inTurn(n, () => put(n, bytes, crc))),
    async begin(n) {
      expectOpen(`part ${n}`);
      expectPart(n, lengthOf(n));
      return during(beginPart(n));
    },
    complete: crc => atLast(() => complete(crc)),
    abort: () =>
      atLast(async () => {
        if (state === 'open') await end('ended');
      }),
    close: () =>
      atLast(async () => {
        if (state !== 'open') return;
        if (journal.done.size === 0) return end('ended');
        state = 'ended';
        await closeFiles();
        await rename(own, join(uploads, idleName(what)));
      }),
  };
  try {
    for (const attempt of others) {
      await copyParts(attempt, upload, { partSize, lengthOf });
      if (attempt.free) await discard(attempt.path, temporary);
    }
  } catch (error) {
    await upload.close();
    throw error;
  }
  return upload;
}

async function openFiles(dataFile: string, journalFile: string): Promise<{ data: FileHandle; journal: UploadJournal }> {
  const data = await open(dataFile, constants.O_RDWR | constants.O_CREAT);
  try {
    return { data, journal: await openJournal(journalFile) };
  } catch (error) {
    await data.close();
    throw error;
  }
}

/** One thing after the other of those that have the same name. */
function turns(): <Result>(name: unknown, work: () => Promise<Result>) => Promise<Result> {
  const last = new Map<unknown, Promise<unknown>>();
  return (name, work) => {
    const turn = (last.get(name) ?? Promise.resolve()).then(work);
    const over = turn
      .catch(() => undefined)
      .then(() => {
        if (last.get(name) === over) last.delete(name);
      });
    last.set(name, over);
    return turn;
  };
}

/** Writes all of the bytes, in as few calls as the system allows. */
async function writeAt(handle: FileHandle, bytes: readonly Uint8Array[], position: number): Promise<void> {
  let rest = bytes;
  for (let at = position; rest.length > 0; ) {
    const { bytesWritten } = await handle.writev(rest.slice(0, MOST_BUFFERS), at);
    at += bytesWritten;
    rest = behind(rest, bytesWritten);
  }
}

function behind(bytes: readonly Uint8Array[], length: number): readonly Uint8Array[] {
  let left = length;
  const from = bytes.findIndex(({ byteLength }) => {
    if (left < byteLength) return true;
    left -= byteLength;
    return false;
  });
  if (from === -1) return [];
  return [bytes[from]!.subarray(left), ...bytes.slice(from + 1)];
}
