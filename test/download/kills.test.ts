/** Workers that are killed while they fetch a part, and workers that fetch the same part at once: one result, little fetched twice. */
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DownloadedPart } from '../../activities/download/types.ts';
import { type Child, startChild } from '../../lib/process/child-process.ts';
import { Random } from '../../lib/random.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type KaggleServer, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { closeStores, STORES, type StoreKind } from './stores.ts';
import { bytesOf, keysOf, noise, PART_KEY, served } from './world.ts';

const LONG = process.env.RETINOPATHY_LONG !== undefined;
const KILLS = LONG ? 20 : 2;
const CONNECTIONS = 4;
/** The whole part over all connections. */
const TAKES_MS = 2_000;

afterAll(closeStores);

describe.each(STORES)('on $name', kind => {
  const { chunkSize, size } = sizesFor(kind);
  const bytes = noise(size);
  let services: TestServices;
  let opened: Awaited<ReturnType<StoreKind['open']>>;
  let store: ArtifactStore;
  let server: KaggleServer;
  /** Which attempt was sent each byte last; 0 for none. */
  let sentTo: Uint8Array;
  /** Bytes of each attempt that were sent again to another. */
  let again: number[];
  let attempt: number;
  let whenSent: () => void;

  beforeEach(async () => {
    services = await testServices();
    opened = await kind.open(services.folder);
    store = opened.store;
    sentTo = new Uint8Array(size);
    again = [];
    attempt = 1;
    whenSent = () => {};
    const file = served('train.zip.001', bytes);
    server = await startKaggleServer({
      competition: null,
      token: null,
      bytesPerSecond: size / CONNECTIONS / (TAKES_MS / 1000),
      files: [
        {
          ...file,
          read(offset, length) {
            // The question of what the file is asks for one byte.
            if (length > 1) count(offset, offset + length);
            return file.read(offset, length);
          },
        },
      ],
    });
  });
  afterEach(async () => {
    await server.close();
    await opened.close();
    await services.close();
  });

  function count(from: number, to: number): void {
    for (let at = from; at < to; at += 1) {
      const before = sentTo[at]!;
      if (before !== 0) again[before] = (again[before] ?? 0) + 1;
    }
    sentTo.fill(attempt, from, to);
    whenSent();
  }

  /** A process that fetches the part. */
  async function start(): Promise<{ child: Child; done: Promise<DownloadedPart> }> {
    const settings = { ...kind.settings, chunkSize, connections: CONNECTIONS };
    const script = new URL('downloader.ts', import.meta.url).pathname;
    const command = [process.execPath, '--import', 'tsx', script, server.url, store.url, JSON.stringify(settings)];
    const child = await startChild(command, { env: { ...process.env, ...opened.env } });
    const done = child.exited.then(({ code, signal, tail }) => {
      if (code === 0) return JSON.parse(tail.at(-1)!) as DownloadedPart;
      throw new Error(`Expected the part, got ${signal ?? `exit ${code}`}: ${tail.join('\n')}`);
    });
    done.catch(() => {});
    return { child, done };
  }

  const firstByte = () =>
    new Promise<void>(resolve => {
      whenSent = resolve;
    });
  const check = async (part: DownloadedPart) => {
    expect(part).toMatchObject({ key: expect.stringMatching(PART_KEY), size, offset: 0 });
    expect((await bytesOf(store, part)).equals(bytes)).toBe(true);
    expect(await keysOf(store)).toHaveLength(Math.ceil(size / chunkSize) + 2);
  };

  it(`${KILLS} kills at any moment cost no more than the chunks that were on their way`, async () => {
    const seed = Number(process.env.RETINOPATHY_SEED ?? Date.now() % 1_000_000);
    console.log(`RETINOPATHY_SEED=${seed}`);
    const random = new Random('kills', seed);
    for (let kills = 0; kills < KILLS; kills += 1) {
      const sending = firstByte();
      const { child, done } = await start();
      const early = await Promise.race([sending.then(() => undefined), done]);
      // Towards the end there is less to interrupt: then the part is there already.
      if (early) break;
      await new Promise(resolve => setTimeout(resolve, random.next() * 1.2 * (TAKES_MS / KILLS)));
      child.kill('SIGKILL');
      await child.exited;
      attempt += 1;
    }
    const last = await (await start()).done;
    await check(last);
    expect(await kind.leftovers(store)).toEqual([]);
    const chunks = again.slice(1).map(sent => (sent / chunkSize).toFixed(1));
    console.log(`sent again after each kill: ${chunks.join(', ')} chunks`);
    for (const sent of again) expect(sent ?? 0).toBeLessThanOrEqual(CONNECTIONS * chunkSize);
  }, 400_000);

  const pairs = [
    ['at once, one of them killed', true],
    ['at once', false],
  ] as const;
  it.each(LONG ? pairs : pairs.slice(0, 1))('two workers %s come to one result', async (_, killed) => {
    const [one, two] = await Promise.all([start(), start()]);
    if (killed) {
      await firstByte();
      await new Promise(resolve => setTimeout(resolve, 500));
      one.child.kill('SIGKILL');
      await one.child.exited;
    }
    const results = await Promise.allSettled([one.done, two.done]);
    const parts = results.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []));
    const failures = results.flatMap(result => (result.status === 'rejected' ? [String(result.reason)] : []));
    expect(failures).toEqual(killed ? [expect.anything()] : []);
    expect(parts).toHaveLength(killed ? 1 : 2);
    for (const part of parts) await check(part);
    expect(await kind.leftovers(store)).toEqual([]);
  });
});

/** Enough chunks for many kills. */
function sizesFor({ settings, size }: StoreKind) {
  const chunkSize = 4 * settings.chunkSize;
  return { chunkSize, size: Math.max(size, chunkSize * 32 + 12_345) };
}
