/** What every driver of the store must do. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crc32c } from '../../storage/checksum.ts';
import { describeStored } from '../../storage/files.ts';
import { openStore } from '../../storage/open.ts';
import { type ArtifactStore, ChecksumMismatch, ObjectNotFound } from '../../storage/store.ts';
import { startChild } from '../../system/child-process.ts';
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

/** S3's smallest part. */
const PART = 5 << 20;
const SIZE = 2 * PART + 1000;
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
    const parts = [bytes.subarray(0, PART), bytes.subarray(PART, 2 * PART), bytes.subarray(2 * PART)];
    const whole = crc32c(bytes);
    const begin = (key: string, sourceTag = 'etag-1', from = store) =>
      from.openUpload(key, { size: SIZE, partSize: PART, sourceTag });
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
          await expect(begin(key)).rejects.toThrow(TypeError);
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
      });
    });

    describe('uploads', () => {
      it('makes one object of its parts, in any order, at once and again', async () => {
        const upload = await begin('up/any-order');
        await Promise.all([2, 0, 1, 2].map(n => upload.put(n, parts[n]!, crc32c(parts[n]!))));
        expect(await store.head('up/any-order')).toBeUndefined();
        expect(await keys('up/any-order')).toEqual([]);
        await upload.complete(whole);
        await upload.close();
        expect((await store.get('up/any-order')).equals(bytes)).toBe(true);
        expect(await describeStored(store, 'up/any-order')).toEqual({ key: 'up/any-order', size: SIZE, crc32c: whole });
      });

      it('takes parts in pieces, in any order and side by side', async () => {
        const upload = await begin('up/pieces');
        const [first, second] = await Promise.all([upload.begin(0), upload.begin(1)]);
        await Promise.all([
          first.write(1000, [parts[0]!.subarray(1000, 5000), parts[0]!.subarray(5000)]),
          second.write(0, [parts[1]!]),
          first.write(0, [parts[0]!.subarray(0, 1000)]),
        ]);
        await expect(second.write(PART - 1, [Buffer.alloc(2)])).rejects.toThrow(RangeError);
        await Promise.all([first.finish(crc32c(parts[0]!)), second.finish(crc32c(parts[1]!))]);
        const third = await upload.begin(2);
        await third.write(0, [parts[2]!.subarray(0, 10)]);
        await expect(third.finish(crc32c(parts[2]!))).rejects.toThrow('got part 2 of 10 bytes');
        third.release();
        await upload.close();
        const again = await begin('up/pieces');
        expect([...again.done.keys()].sort()).toEqual([0, 1]);
        await expect((async () => again.begin(3))()).rejects.toThrow(RangeError);
        const part = await again.begin(2);
        await part.write(0, [parts[2]!]);
        await part.finish(crc32c(parts[2]!));
        part.release();
        await again.complete(whole);
        await again.close();
        expect((await store.get('up/pieces')).equals(bytes)).toBe(true);
      });

      it('takes the last bytes of a part that is put twice', async () => {
        const upload = await begin('up/twice');
        const other = bytesOf(8, PART);
        await upload.put(0, other, crc32c(other));
        for (const n of [0, 1, 2]) await upload.put(n, parts[n]!, crc32c(parts[n]!));
        await upload.complete(whole);
        await upload.close();
        expect((await store.get('up/twice')).equals(bytes)).toBe(true);
      });

      it('goes on where another left off, for the same tag only', async () => {
        const first = await begin('up/resume');
        await first.put(0, parts[0]!, crc32c(parts[0]!));
        await first.put(2, parts[2]!, crc32c(parts[2]!));
        await first.close();
        await first.close();
        const other = await begin('up/resume', 'etag-2');
        expect(other.done.size).toBe(0);
        await other.close();
        const second = await begin('up/resume', 'etag-1', await openStore(store.url));
        expect([...second.done].sort()).toEqual([
          [0, crc32c(parts[0]!)],
          [2, crc32c(parts[2]!)],
        ]);
        await second.put(1, parts[1]!, crc32c(parts[1]!));
        await second.complete(whole);
        await second.close();
        expect((await store.get('up/resume')).equals(bytes)).toBe(true);
      });

      it('is not harmed by a late first attempt, and completing twice gives one object', async () => {
        const late = await begin('up/late');
        await late.put(0, parts[0]!, crc32c(parts[0]!));
        const second = await begin('up/late');
        expect(second.done.get(0)).toBe(crc32c(parts[0]!));
        await Promise.all([
          ...[1, 2].map(n => second.put(n, parts[n]!, crc32c(parts[n]!))),
          ...[1, 2].map(n => late.put(n, parts[n]!, crc32c(parts[n]!))),
        ]);
        await Promise.all([second.complete(whole), late.complete(whole)]);
        await second.complete(whole);
        await Promise.all([second.close(), late.close()]);
        expect((await store.get('up/late')).equals(bytes)).toBe(true);
        const third = await begin('up/late');
        await third.complete(whole);
        await third.close();
      });

      it('refuses what does not add up, and forgets it', async () => {
        const upload = await begin('up/wrong');
        await expect(upload.put(0, parts[0]!, 1)).rejects.toThrow(ChecksumMismatch);
        await expect(upload.put(3, parts[0]!, crc32c(parts[0]!))).rejects.toThrow(RangeError);
        await expect(upload.put(0, parts[2]!, crc32c(parts[2]!))).rejects.toThrow(RangeError);
        for (const n of [0, 1]) await upload.put(n, parts[n]!, crc32c(parts[n]!));
        await expect(upload.complete(whole)).rejects.toThrow('Expected all 3 parts');
        await upload.put(2, parts[2]!, crc32c(parts[2]!));
        await expect(upload.complete(whole + 1)).rejects.toThrow(ChecksumMismatch);
        await upload.close();
        expect(await store.head('up/wrong')).toBeUndefined();
        const again = await begin('up/wrong');
        expect(again.done.size).toBe(0);
        await again.abort();
        await again.close();
      });

      it('does not replace another object', async () => {
        await store.put('up/taken', Buffer.from('other'));
        const upload = await begin('up/taken');
        for (const n of [0, 1, 2]) await upload.put(n, parts[n]!, crc32c(parts[n]!));
        await expect(upload.complete(whole)).rejects.toThrow(ChecksumMismatch);
        await upload.close();
        expect(String(await store.get('up/taken'))).toBe('other');
      });

      it('forgets an upload that is given up', async () => {
        const upload = await begin('up/aborted');
        await upload.put(0, parts[0]!, crc32c(parts[0]!));
        await upload.abort();
        await upload.close();
        const again = await begin('up/aborted');
        expect(again.done.size).toBe(0);
        await again.abort();
        await again.close();
      });
    });

    describe('several processes', () => {
      it.each(['put', 'upload'])(
        'killed in the middle of %s leave whole objects only, and others go on',
        async what => {
          const prefix = `killed-${what}`;
          const size = what === 'put' ? 1 << 20 : 4 * PART;
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
          for (const key of found) {
            const n = Number(key.split('-').at(-1));
            expect((await store.get(key)).equals(bytesOf(n, size)), key).toBe(true);
          }
          if (what === 'put') return;
          // The one that was under way: what was put of it is not put again, and it can be finished.
          const n = found.length;
          const last = bytesOf(n, size);
          const upload = await store.openUpload(`${prefix}/object-${n}`, {
            size,
            partSize: PART,
            sourceTag: `made-${n}`,
          });
          for (let part = 0; part < 4; part++) {
            const piece = last.subarray(part * PART, (part + 1) * PART);
            if (upload.done.has(part)) expect(upload.done.get(part)).toBe(crc32c(piece));
            else await upload.put(part, piece, crc32c(piece));
          }
          await upload.complete(crc32c(last));
          await upload.close();
          expect((await store.get(`${prefix}/object-${n}`)).equals(last)).toBe(true);
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

const turn = () => new Promise(resolve => setTimeout(resolve, 20));

const numbered = (count: number) => Array.from({ length: count }, (_, n) => `many/${String(n).padStart(4, '0')}`);

async function inSlices<Item>(items: Item[], size: number, work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += size) await Promise.all(items.slice(at, at + size).map(work));
}
