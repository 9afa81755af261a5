/**
 * Uploads of the S3 driver: part n is S3's part n + 1, and what S3 lists is the checkpoint. Attempts at the same thing share one
 * multipart upload: what they put is the same bytes. Whoever completes first makes the object; the others compare.
 */
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { combineCrc32c, crc32c } from './checksum.ts';
import type { PartBuffer, PartBuffers } from './part-buffers.ts';
import type { S3Bucket } from './s3-bucket.ts';
import { hasStatus, isFault, S3Fault } from './s3-fault.ts';
import { abortBeaten, abortSuperseded } from './s3-leftovers.ts';
import {
  completeMultipart,
  dropMultipart,
  findMultipart,
  forgetMultipart,
  type Multipart,
  makeMultipart,
  partsOf,
  placeOf,
  type StoredPart,
  sendPart,
} from './s3-multipart.ts';
import { ChecksumMismatch, type PartWriter, type Upload, type UploadOptions } from './store.ts';
import { partsOfUpload, workUnderWay } from './upload-parts.ts';

export interface S3UploadTools {
  buffers: PartBuffers;
  /** CRC-32C of the object; undefined where there is none of this size. */
  existing(key: string, size: number): Promise<number | undefined>;
  /** Stores an object without a byte, if there is none. */
  putEmpty(key: string): Promise<void>;
}

const LEAST_PART = 5 << 20;
const MOST_PARTS = 10_000;
/** Another attempt's completion may be under way when its upload is gone already. */
const PATIENCE_MS = [0, 100, 200, 500, 1000];
/** And goes on for long where some of its parts are gone: the server is making the object of them. */
const LONG_PATIENCE_MS = [...PATIENCE_MS, ...Array.from({ length: 60 }, () => 1000)];
/** Tries to begin, to send or to complete what others are changing at the same time. */
const TRIES = 5;

export async function openS3Upload(
  bucket: S3Bucket,
  key: string,
  options: UploadOptions,
  { buffers, existing, putEmpty }: S3UploadTools,
): Promise<Upload> {
  const { size, partSize } = options;
  const { count: parts, lengthOf, expect: expectPart } = partsOfUpload(key, options);
  checkForS3(key, parts, partSize);
  const place = placeOf(key, options);
  const done = new Map<number, number>();

  let state: 'open' | 'completed' | 'ended' = 'open';
  let completed: number | undefined;
  const expectOpen = (what: string) => {
    if (state !== 'open') throw new Error(`Expected the upload of ${key} to be open, got ${what} after its end`);
  };

  /** Parts as they must be, each with its CRC-32C. */
  const whole = (stored: ReadonlyMap<number, StoredPart>) =>
    new Map([...stored].filter(([n, part]) => part.crc32c !== undefined && part.size === lengthOf(n)));
  const learn = (stored: ReadonlyMap<number, StoredPart>) => {
    for (const [n, part] of whole(stored)) if (!done.has(n)) done.set(n, part.crc32c!);
  };

  let multipart: Promise<Multipart> | undefined;
  const found = await resume();
  if (found) multipart = Promise.resolve(found);
  await abortSuperseded(bucket, key, place);

  /** The upload of another attempt that is still there. */
  async function resume(): Promise<Multipart | undefined> {
    const there = await findMultipart(bucket, place);
    const stored = there && (await partsOf(bucket, there));
    if (stored) learn(stored);
    return stored && there;
  }

  /** Begun with the first part: who only finds the object complete leaves nothing to tidy up. */
  function begun(): Promise<Multipart> {
    multipart ??= begin();
    multipart.catch(() => {
      multipart = undefined;
    });
    return multipart;
  }

  async function begin(): Promise<Multipart> {
    for (let tries = 0; tries < TRIES; tries++) {
      const there = await findMultipart(bucket, place);
      const stored = there && (await partsOf(bucket, there));
      if (there && stored) {
        learn(stored);
        return there;
      }
      const made = await makeMultipart(bucket, key, place, there);
      if (made) return made;
    }
    throw new Error(`Expected to begin the upload of ${key}, got another attempt's record in the way ${TRIES} times`);
  }

  const { during, settled } = workUnderWay();
  let ending: Promise<unknown> = Promise.resolve();
  const atLast = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const turn = ending.then(async () => {
      await settled();
      return work();
    });
    ending = turn.catch(() => undefined);
    return turn;
  };

  const writers = new Set<PartWriter>();
  const letGo = new AbortController();
  // As many as wait for memory.
  setMaxListeners(0, letGo.signal);
  const release = () => {
    letGo.abort(new Error(`Expected the upload of ${key} to be open, got its end`));
    for (const writer of [...writers]) writer.release();
  };

  async function send(n: number, bytes: Uint8Array, crc: number): Promise<void> {
    const actual = crc32c(bytes);
    if (actual !== crc)
      throw new ChecksumMismatch(`Expected part ${n} of ${key} to have CRC-32C ${crc}, got ${actual}`);
    if (done.get(n) === crc) return;
    done.delete(n);
    for (let tries = 1; ; tries++) {
      try {
        await sendPart(bucket, await begun(), n, bytes, crc);
        break;
      } catch (error) {
        if (isFault(error, 'NoSuchUpload') || (await isOver(error))) {
          await expectFinished();
          break;
        }
        // Our own sum was right: the bytes were changed on their way.
        if (!isFault(error, 'BadDigest') || tries === TRIES) throw error;
      }
    }
    done.set(n, crc);
  }

  /** A server that refuses a part may hang up before it has taken it, and then nobody hears why. */
  async function isOver(error: unknown): Promise<boolean> {
    if (!(error instanceof S3Fault) || error.$metadata.httpStatusCode !== undefined) return false;
    return (await partsOf(bucket, await begun())) === undefined;
  }

  /** Another attempt has completed the upload: `complete` will compare. @throws when it was given up instead */
  async function expectFinished(): Promise<void> {
    if ((await patiently(() => existing(key, size))) === undefined) throw await lost();
  }

  async function lost(): Promise<Error> {
    multipart = undefined;
    done.clear();
    return new Error(`Expected the upload of ${key} to be there, got it given up by another attempt: it begins anew`);
  }

  async function beginPart(n: number): Promise<PartWriter> {
    const buffer: PartBuffer = await buffers.take(lengthOf(n), letGo.signal);
    let written = 0;
    let sending: Promise<void> | undefined;
    let released = false;
    const writer: PartWriter = {
      async write(position, pieces) {
        expectOpen(`bytes of part ${n}`);
        const length = pieces.reduce((sum, { byteLength }) => sum + byteLength, 0);
        if (released || position < 0 || position + length > lengthOf(n)) {
          throw new RangeError(`Expected bytes within part ${n} of ${key}, got ${length} at ${position}`);
        }
        let at = position;
        for (const piece of pieces) {
          buffer.bytes.set(piece, at);
          at += piece.byteLength;
        }
        written += length;
      },
      async finish(crc) {
        expectOpen(`the end of part ${n}`);
        expectPart(n, written);
        sending = during(send(n, buffer.bytes, crc));
        await sending;
      },
      release() {
        if (released) return;
        released = true;
        writers.delete(writer);
        // A part that is being sent is still read from.
        void Promise.allSettled([sending]).then(() => buffer.giveBack());
      },
    };
    writers.add(writer);
    if (letGo.signal.aborted) {
      writer.release();
      letGo.signal.throwIfAborted();
    }
    return writer;
  }

  async function complete(crc: number): Promise<void> {
    if (crc === completed) return;
    expectOpen('its completion');
    if (parts === 0) await putEmpty(key);
    const mine = await multipart;
    for (let tries = 1; ; tries++) {
      const stored = mine && (await partsOf(bucket, mine));
      const all = whole(stored ?? new Map());
      if (parts === 0 || all.size < parts) {
        const look = () => existing(key, size);
        // What we have sent or seen, and is there no more, somebody else is making the object of.
        const taken = stored && parts > 0 && done.size === parts;
        const there = await (taken ? patiently(look, LONG_PATIENCE_MS) : mine && !stored ? patiently(look) : look());
        if (there === crc) return finished(mine);
        if (mine && !stored && there === undefined) throw await lost();
        if (mine && !stored) throw await mismatch(mine, crc, there);
        throw new Error(`Expected all ${parts} parts of ${key} before its completion, got ${all.size}`);
      }
      let sum = 0;
      for (let n = 0; n < parts; n++) sum = combineCrc32c(sum, all.get(n)!.crc32c!, lengthOf(n));
      if (sum !== crc) {
        await giveUp(mine!);
        throw new ChecksumMismatch(`Expected the parts of ${key} to add up to CRC-32C ${crc}, got ${sum}`);
      }
      try {
        await completeMultipart(bucket, mine!, all, crc);
        return await finished(undefined, mine);
      } catch (error) {
        if (hasStatus(error, 412)) {
          const there = await existing(key, size);
          if (there === crc) return finished(mine);
          throw await mismatch(mine!, crc, there);
        }
        if (isFault(error, 'BadDigest')) {
          await giveUp(mine!);
          throw new ChecksumMismatch(`Expected the parts of ${key} to add up to CRC-32C ${crc}, got: ${error.message}`);
        }
        // Somebody completes, or puts a part again, at the same time.
        const passing = isFault(error, 'NoSuchUpload', 'InvalidPart') || hasStatus(error, 409);
        if (!passing || tries === TRIES) throw error;
        await sleep(100 * tries);
      }
    }

    /** @param unused an upload that the object did not come from */
    async function finished(unused: Multipart | undefined, used?: Multipart): Promise<void> {
      if (unused) await dropMultipart(bucket, unused);
      if (used) await forgetMultipart(bucket, used);
      await abortBeaten(bucket, key, place);
      completed = crc;
      state = 'completed';
    }
  }

  async function giveUp(mine: Multipart): Promise<void> {
    state = 'ended';
    await dropMultipart(bucket, mine);
  }

  async function mismatch(mine: Multipart, crc: number, there: number | undefined): Promise<ChecksumMismatch> {
    await giveUp(mine);
    return new ChecksumMismatch(
      `Expected ${key} to be absent or to have ${size} bytes of CRC-32C ${crc}, got ${there ?? 'another size'}`,
    );
  }

  return {
    done,
    async put(n, bytes, crc) {
      expectOpen(`part ${n}`);
      expectPart(n, bytes.byteLength);
      return during(send(n, bytes, crc));
    },
    async begin(n) {
      expectOpen(`part ${n}`);
      expectPart(n, lengthOf(n));
      return during(beginPart(n));
    },
    complete: crc => atLast(() => complete(crc)),
    abort() {
      release();
      return atLast(async () => {
        if (state !== 'open') return;
        const mine = await multipart;
        state = 'ended';
        if (mine) await dropMultipart(bucket, mine);
      });
    },
    close() {
      release();
      return atLast(async () => {
        if (state === 'open') state = 'ended';
      });
    },
  };
}

/** @throws RangeError for what S3 does not take */
function checkForS3(key: string, parts: number, partSize: number): void {
  if (parts > MOST_PARTS || (parts > 1 && partSize < LEAST_PART)) {
    throw new RangeError(
      `Expected at most ${MOST_PARTS} parts of at least ${LEAST_PART} bytes for ${key}, got ${parts} of ${partSize}`,
    );
  }
}

/** Asks again for a while, until there is an answer. */
async function patiently<Answer>(
  ask: () => Promise<Answer | undefined>,
  waits: readonly number[] = PATIENCE_MS,
): Promise<Answer | undefined> {
  for (const ms of waits) {
    await sleep(ms);
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  return undefined;
}
