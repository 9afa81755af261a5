/** What every driver of the store must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startChild } from '../../lib/process/child-process.ts';
import { crc32c } from '../../storage/checksum.ts';
import { isLargeStored, openLarge, putLarge, removeLarge } from '../../storage/large.ts';
import { openStore } from '../../storage/open.ts';
import { type ArtifactStore, type ByteRange, ChecksumMismatch, ObjectNotFound } from '../../storage/store.ts';
import { bytesOf } from './bytes.ts';

export interface StoreUnderTest {
  /** Opened by its URL in other processes, too. */
  store: ArtifactStore;
  /** What other processes need in their environment to open it. */
  env?: NodeJS.ProcessEnv;
  /** The server looks for the object first and writes then: of several that put it at the same instant, more than one may be told it was first. */
  looksFirst?: boolean;
  close(): Promise<void>;
}

const CHUNK = 1 << 20;
const SIZE = 2 * CHUNK + 1000;
/** Rounds of two writers killed, for each way of writing. */
const ROUNDS = process.env.RETINOPATHY_LONG ? 25 : 2;

/** Declares the contract for one driver. `open` gives an empty store. */
export function describeStore(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`store ${name}`, () => {
    let under: StoreUnderTest;
    let store: ArtifactStore;
    beforeAll(async () => {
      under = await open();
      store = under.store;
    });
    afterAll(() => under.close());

    const bytes = bytesOf(7, SIZE);
    const whole = crc32c(bytes);
    /** What `putLarge` reads from, and the ranges it has asked for. */
    const sourceOf = (content: Buffer, stated: number | null = crc32c(content)) => {
      const asked: number[] = [];
      return {
        asked,
        size: content.length,
        crc32c: stated,
        async *read({ offset, length }: ByteRange) {
          asked.push(offset);
          for (let at = offset; at < offset + length; at += 100_000) {
            yield content.subarray(at, Math.min(at + 100_000, offset + length));
          }
        },
      };
    };
    const chunkSize = CHUNK;
    const keys = async (prefix: string) => {
      const found: string[] = [];
      for await (const { key } of store.list(prefix)) found.push(key);
      return found;
    };
    const elsewhere = async (what: string, prefix: string) => {
      let started = () => {};
      const writing = new Promise<void>(resolve => {
        started = resolve;
      });
      const script = new URL('writer.ts', import.meta.url).pathname;
      const child = await startChild([process.execPath, '--import', 'tsx', script, what, store.url, prefix], {
        env: { ...process.env, ...under.env },
        onLine: line => line === 'writing' && started(),
      });
      const exit = await Promise.race([writing, child.exited]);
      if (exit) throw new Error(`Expected the writer to run until it is killed, got ${exit.tail.join('\n')}`);
      return child;
    };

    describe('objects', () => {
      it('can be read and written, and nothing stays of the trial', async () => {
        await store.check();
        expect(await keys('')).toEqual([]);
      });

      it('gives back what was put, and its size', async () => {
        expect(await store.put('a/one.bin', bytesOf(1, 1000))).toEqual({ created: true });
        expect(await store.get('a/one.bin')).toEqual(bytesOf(1, 1000));
        const head = await store.head('a/one.bin');
        expect(head?.size).toBe(1000);
        // Not every store keeps one; who says one must be right.
        expect([undefined, crc32c(bytesOf(1, 1000))]).toContain(head?.crc32c);
        await store.put('a/empty', Buffer.alloc(0));
        expect(await store.get('a/empty')).toEqual(Buffer.alloc(0));
      });

      it('keeps an object that is there, unless it is to be overwritten', async () => {
        await store.put('keep', Buffer.from('first'));
        expect(await store.put('keep', Buffer.from('second'))).toEqual({ created: false });
        expect(String(await store.get('keep'))).toBe('first');
        await store.put('keep', Buffer.from('third'), { overwrite: true });
        expect(String(await store.get('keep'))).toBe('third');
      });

      it('says that an absent object is absent', async () => {
        expect(await store.head('a/nothing')).toBeUndefined();
        expect(await store.head('a')).toBeUndefined();
        await expect(store.get('a/nothing')).rejects.toThrow(ObjectNotFound);
        await expect(store.get('a/nothing', { offset: 0, length: 1 })).rejects.toThrow(ObjectNotFound);
        await expect(store.get('a')).rejects.toThrow(ObjectNotFound);
        expect(await keys('nothing/')).toEqual([]);
      });

      it('reads ranges, clamped to the object', async () => {
        const content = bytesOf(2, 1000);
        await store.put('ranges', content);
        const range = (offset: number, length: number) => store.get('ranges', { offset, length });
        expect(await range(0, 10)).toEqual(content.subarray(0, 10));
        expect(await range(990, 10)).toEqual(content.subarray(990));
        expect(await range(990, 5000)).toEqual(content.subarray(990));
        expect(await range(1000, 10)).toHaveLength(0);
        expect(await range(9000, 10)).toHaveLength(0);
        expect(await range(10, 0)).toHaveLength(0);
        await expect(range(-1, 10)).rejects.toThrow('`offset` of a range to be an integer from 0, got `-1`');
      });

      it('removes, also what is not there', async () => {
        await store.put('gone/a/b', Buffer.from('x'));
        await store.put('gone/c', Buffer.from('x'));
        await store.remove('gone/a/b');
        await store.remove('gone/a/b');
        expect(await store.head('gone/a/b')).toBeUndefined();
        expect(await keys('gone/')).toEqual(['gone/c']);
        await store.remove('gone/c');
        await store.put('gone/a/b', Buffer.from('y'));
        expect(String(await store.get('gone/a/b'))).toBe('y');
      });

      it.each(['', '/a', 'a/', 'a//b', '../a', 'a/../b', './a', '.tmp/a', 'a b', 'a\\b', 'ä', `${'a/'.repeat(600)}b`])(
        'refuses the key %j',
        async key => {
          await expect(store.put(key, Buffer.from('x'))).rejects.toThrow(TypeError);
          await expect(store.get(key)).rejects.toThrow(TypeError);
          await expect(store.put(() => key, Buffer.from('x'))).rejects.toThrow(TypeError);
        },
      );
    });

    describe('lists', () => {
      it('goes through a prefix in key order, over page borders', async () => {
        const names = ['b', 'a-b', 'a.b', 'a/b', 'a/b-c', 'a_b', 'ab', 'a/c/d', 'A', ...numbered(1050)];
        await inSlices(names, 50, name => store.put(`list/${name}`, Buffer.from(name)));
        const sorted = names.map(name => `list/${name}`).sort();
        expect(await keys('list/')).toEqual(sorted);
        expect(await keys('list/a')).toEqual(sorted.filter(key => key.startsWith('list/a')));
        expect(await keys('list/a/')).toEqual(['list/a/b', 'list/a/b-c', 'list/a/c/d']);
        expect(await keys('li')).toEqual(sorted);
        for await (const { key, size, modified } of store.list('list/a/c')) {
          expect({ key, size }).toEqual({ key: 'list/a/c/d', size: 5 });
          // By whose clock ever, it was today and not in 1970.
          expect(Math.abs(Date.now() - modified)).toBeLessThan(24 * 3600 * 1000);
        }
      }, 300_000);
    });

    describe('an object in pieces', () => {
      const pieces = async function* () {
        for (const piece of [bytes.subarray(0, 10), bytes.subarray(10, 10), bytes.subarray(10)]) yield piece;
      };

      it('is stored whole, under a name that is known at its end', async () => {
        let read = 0;
        const counted = async function* () {
          for await (const piece of pieces()) {
            read += piece.length;
            yield piece;
          }
        };
        expect(await store.put(() => `pieces/of-${read}`, { size: SIZE, pieces: counted() })).toEqual({
          created: true,
        });
        expect((await store.get(`pieces/of-${SIZE}`)).equals(bytes)).toBe(true);
        expect(await store.put(() => `pieces/of-${SIZE}`, { size: SIZE, pieces: pieces() })).toEqual({
          created: false,
        });
      });

      it('is not there when its pieces fail', async () => {
        const failing = async function* () {
          yield bytes.subarray(0, 10);
          throw new Error('no more');
        };
        await expect(store.put('pieces/failed', { size: SIZE, pieces: failing() })).rejects.toThrow('no more');
        expect(await store.head('pieces/failed')).toBeUndefined();
      });
    });

    describe('large artifacts', () => {
      it('come back whole and by ranges', async () => {
        const artifact = await putLarge(store, 'large/whole', sourceOf(bytes), { chunkSize });
        expect(artifact).toEqual({ key: 'large/whole/chunks.json', size: SIZE, crc32c: whole });
        const large = await openLarge(store, artifact.key);
        expect(large.size).toBe(SIZE);
        expect((await large.read({ offset: 0, length: SIZE })).equals(bytes)).toBe(true);
        for (const [offset, length] of [
          [CHUNK - 5, 10],
          [0, 1],
          [SIZE - 1, 100],
          [CHUNK, CHUNK],
          [10, 2 * CHUNK],
          [SIZE, 10],
          [5, 0],
        ] as const) {
          expect((await large.read({ offset, length })).equals(bytes.subarray(offset, offset + length))).toBe(true);
        }
        expect(await isLargeStored(store, artifact.key)).toBe(true);
        const empty = await putLarge(store, 'large/empty', sourceOf(Buffer.alloc(0)), { chunkSize });
        expect((await (await openLarge(store, empty.key)).read({ offset: 0, length: 10 })).length).toBe(0);
      });

      it('name their chunks by number and CRC-32C, and are resumed from those that are stored', async () => {
        const stopped = sourceOf(bytes);
        const read = async function* (range: ByteRange) {
          if (range.offset === 2 * CHUNK) throw new Error('interrupted');
          yield* stopped.read(range);
        };
        await expect(putLarge(store, 'large/resumed', { ...stopped, read }, { chunkSize })).rejects.toThrow(
          'interrupted',
        );
        const crcs = [bytes.subarray(0, CHUNK), bytes.subarray(CHUNK, 2 * CHUNK)].map(hexCrc);
        expect(await keys('large/resumed/')).toEqual(crcs.map((crc, n) => `large/resumed/0000${n}-${crc}`));
        const source = sourceOf(bytes);
        const heard: number[] = [];
        const onStored = (stored: number) => void heard.push(stored);
        await putLarge(await openStore(store.url), 'large/resumed', source, { chunkSize, onStored });
        expect(source.asked).toEqual([2 * CHUNK]);
        expect(heard).toEqual([2 * CHUNK, SIZE]);
      });

      it('may be put by two writers at once', async () => {
        const limit = <Result>(task: () => Promise<Result>) => task();
        const put = () => putLarge(store, 'large/two', sourceOf(bytes), { chunkSize, limit });
        expect(await Promise.all([put(), put()])).toEqual(
          [1, 2].map(() => ({ key: 'large/two/chunks.json', size: SIZE, crc32c: whole })),
        );
        expect(await keys('large/two/')).toHaveLength(4);
      });

      it('do not come to be when they are not what the source states, and leave nothing', async () => {
        const put = putLarge(store, 'large/wrong', sourceOf(bytes, 1), { chunkSize });
        await expect(put).rejects.toThrow(ChecksumMismatch);
        expect(await keys('large/wrong')).toEqual([]);
      });

      it('trust none of two chunks of one number, and none of another size', async () => {
        const artifact = await putLarge(store, 'large/doubled', sourceOf(bytes), { chunkSize });
        await store.remove(artifact.key);
        await store.put('large/doubled/00000-00000001', bytes.subarray(0, CHUNK));
        await store.remove(`large/doubled/00001-${hexCrc(bytes.subarray(CHUNK, 2 * CHUNK))}`);
        await store.put('large/doubled/00001-00000002', bytes.subarray(0, 5));
        const source = sourceOf(bytes);
        await putLarge(store, 'large/doubled', source, { chunkSize });
        expect(source.asked).toEqual([0, CHUNK]);
        expect(await keys('large/doubled/')).toHaveLength(4);
      });

      it('are refused, by the name of the chunk, where one is corrupt or gone', async () => {
        const { key } = await putLarge(store, 'large/corrupt', sourceOf(bytes), { chunkSize });
        const chunk = `large/corrupt/00001-${hexCrc(bytes.subarray(CHUNK, 2 * CHUNK))}`;
        const other = Buffer.from(bytes.subarray(CHUNK, 2 * CHUNK));
        other[77]! ^= 1;
        await store.put(chunk, other, { overwrite: true });
        const large = await openLarge(store, key);
        await expect(large.read({ offset: 0, length: SIZE })).rejects.toThrow(
          `Expected ${chunk} in ${store.url} to hold the bytes`,
        );
        // A part of a chunk cannot be compared; the whole chunk can.
        const range = { offset: CHUNK + 70, length: 10 };
        await large.read(range);
        await expect(large.verify(range)).rejects.toMatchObject({ name: 'CorruptObject', key: chunk });
        await large.verify({ offset: 0, length: CHUNK });
        expect(await isLargeStored(store, key)).toBe(true);
        await store.remove(chunk);
        expect(await isLargeStored(store, key)).toBe(false);
        await expect(large.read(range)).rejects.toMatchObject({ name: 'CorruptObject', key: chunk });
        await store.put(key, Buffer.from('{"schemaVersion":1'), { overwrite: true });
        await expect(openLarge(store, key)).rejects.toMatchObject({ name: 'CorruptObject', key });
      });

      it('are removed with all that belongs to them', async () => {
        await putLarge(store, 'large/gone', sourceOf(bytes), { chunkSize });
        await removeLarge(store, 'large/gone');
        expect(await keys('large/gone')).toEqual([]);
      });
    });

    describe('several processes', () => {
      it.each(['put', 'putLarge'])(
        'killed in the middle of %s leave whole objects only, and others go on',
        async what => {
          const prefix = `killed-${what}`;
          const size = what === 'put' ? 1 << 20 : 4 * CHUNK;
          for (let round = 0; round < ROUNDS; round++) {
            // Two writers of the same objects at once.
            const writers = await Promise.all([elsewhere(what, prefix), elsewhere(what, prefix)]);
            // On a busy machine the first object may take longer than a kill: one of them is waited for.
            while (round === ROUNDS - 1 && (await keys(`${prefix}/`)).length === 0) await turn();
            for (const writer of writers) {
              await new Promise(resolve => setTimeout(resolve, Math.random() * 150));
              writer.kill('SIGKILL');
              await writer.exited;
            }
          }
          const found = await keys(`${prefix}/`);
          expect(found.length).toBeGreaterThan(0);
          if (what === 'put') {
            for (const key of found) {
              const n = Number(key.split('-').at(-1));
              expect((await store.get(key)).equals(bytesOf(n, size)), key).toBe(true);
            }
            return;
          }
          const lists = found.filter(key => key.endsWith('/chunks.json')).sort((a, b) => numberOf(a) - numberOf(b));
          for (const [n, key] of lists.entries()) {
            const read = await (await openLarge(store, key)).read({ offset: 0, length: size });
            expect(read.equals(bytesOf(n, size)), key).toBe(true);
          }
          // The one that was under way: what was put of it is not put again, and it can be finished.
          const last = `${prefix}/object-${lists.length}`;
          const chunks = found.filter(key => key.startsWith(`${last}/`)).length;
          const source = sourceOf(bytesOf(lists.length, size));
          const { key } = await putLarge(store, last, source, { chunkSize });
          expect(source.asked).toHaveLength(4 - chunks);
          expect(
            (await (await openLarge(store, key)).read({ offset: 0, length: size })).equals(bytesOf(lists.length, size)),
          ).toBe(true);
        },
        60_000 + ROUNDS * 10_000,
      );

      it('creates an object once when many put it at once', async () => {
        const stores = await Promise.all(Array.from({ length: 8 }, () => openStore(store.url)));
        const results = await Promise.all(stores.map((one, n) => one.put('race', bytesOf(n, 100_000))));
        const winners = results.flatMap(({ created }, n) => (created ? [n] : []));
        if (under.looksFirst) expect(winners.length).toBeGreaterThan(0);
        else expect(winners).toHaveLength(1);
        // Whole, and of one who was told so.
        const there = await store.get('race');
        expect(winners.some(n => there.equals(bytesOf(n, 100_000)))).toBe(true);
      });
    });
  });
}

const numberOf = (key: string) => Number(/object-(\d+)\//.exec(key)![1]);
const hexCrc = (content: Buffer) => crc32c(content).toString(16).padStart(8, '0');

const turn = () => new Promise(resolve => setTimeout(resolve, 20));

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `many/${String(n).padStart(4, '0')}`);

async function inSlices<Item>(items: Item[], size: number, work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(work));
}
