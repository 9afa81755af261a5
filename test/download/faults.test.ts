/**
 * Whatever a server does wrong, a part comes right or fails with an error that names it; then the next attempt brings it. Never
 * wrong bytes, never a hang, nothing left behind.
 */
import { readdir } from 'node:fs/promises';
import { crc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import type { DownloadedPart } from '../../activities/download/types.ts';
import { type KaggleServer, type Misbehaviour, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { expired, refusal, storageError } from '../../synthetic/kaggle/server-faults.ts';
import { busy, errorUnder200, webPage } from '../support/odd-answers.ts';
import { testServices } from '../support/services.ts';
import { closeStores, openFilesBelow, STORES, type StoreKind } from './stores.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, keysOf, noise, PART_KEY, served } from './world.ts';

/** Random sequences of faults on each store. */
const RUNS = process.env.RETINOPATHY_LONG ? 40 : 12;
/** Silence is noticed by the second. */
const IMPATIENT = { patience: { tries: 2, backoffMs: 5 }, silenceMs: 300, slowMs: 300 };

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);
beforeAll(() => {
  process.on('unhandledRejection', onUnhandled);
});
afterAll(async () => {
  await closeStores();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** When a fault is to happen: `n` counts requests from 1, of the API or of the storage. */
type Plan = (n: number) => Misbehaviour | undefined;
const never: Plan = () => undefined;

/** A store, and a server that misbehaves as planned; both go when the test ends. */
async function setUp(kind: StoreKind, { onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const services = await testServices({ env: { RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1' } });
  const { store, close } = await kind.open(services.folder);
  const bytes = noise(kind.size);
  const files = [served('train.zip.001', bytes)];
  const plans = { api: never, storage: never };
  let [calls, requests] = [0, 0];
  const server: KaggleServer = await startKaggleServer({
    competition: null,
    token: null,
    files: () => files,
    onApiRequest: () => plans.api(++calls),
    onStorageRequest: () => plans.storage(++requests),
  });
  onTestFinished(async () => {
    await server.close();
    await close();
    await services.close();
  });
  const settings = { ...kind.settings, ...IMPATIENT };
  const { run, part } = activitiesOn({ ...services, store }, settings);
  const args = argsFor(server.url, { labels: null });
  return {
    bytes,
    files,
    server,
    plan(storage: Plan, api: Plan = never) {
      Object.assign(plans, { storage, api });
      [calls, requests] = [0, 0];
    },
    list: () => run('listFiles', args),
    attempt: () => part(args),
    /** The part must be what the source has, and alone in the store. */
    async check(done: DownloadedPart, wanted = bytes) {
      expect(done).toMatchObject({ key: expect.stringMatching(PART_KEY), size: wanted.length, crc32c: crc32c(wanted) });
      expect((await bytesOf(store, done)).equals(wanted)).toBe(true);
      const chunks = Math.ceil(wanted.length / settings.chunkSize);
      expect(await keysOf(store)).toHaveLength(chunks + 2);
      expect(await kind.leftovers(store)).toEqual([]);
    },
    /** After a failure nothing says that there is a part, half or whole; and no attempt leaves a file open. */
    async checkNothing() {
      expect((await keysOf(store)).filter(key => key.endsWith('.json'))).toEqual([]);
      expect(await openFilesBelow(services.folder)).toEqual([]);
      expect(await readdir(services.scratch)).toEqual([]);
    },
  };
}

interface Fault {
  name: string;
  /** May differ from request to request. */
  fault: Misbehaviour | ((n: number, size: number) => Misbehaviour);
  /** What an attempt fails with that meets nothing else; absent where it may come to its end. */
  forever?: RegExp;
  /** And then no later attempt is made. */
  final?: true;
}

const isFinal = (error: Error) => (error as { nonRetryable?: boolean }).nonRetryable === true;

const CODES = /got (UND_ERR_SOCKET|ECONNRESET|EPIPE)/;
const TIMEOUTS = /got (UND_ERR_(HEADERS|BODY)_TIMEOUT|ETIMEDOUT)/;
const SOON = new Date(Date.now() - 1000);
const FAULTS: Fault[] = [
  { name: '429 with Retry-After in seconds', fault: busy(429, 0), forever: /got 429/ },
  { name: '503 with Retry-After as a date', fault: busy(503, SOON), forever: /got 503/ },
  { name: 'a web page', fault: webPage(), forever: /got 200/ },
  { name: 'an error under 200', fault: errorUnder200(503, 'busy'), forever: /got 200/ },
  { name: 'an end before the answer', fault: { cutAfter: 0 }, forever: CODES },
  { name: 'an end within the body', fault: { cutAfter: 30_000 } },
  { name: 'a reset before the answer', fault: { resetAfter: 0 }, forever: CODES },
  { name: 'a reset within the body', fault: { resetAfter: 30_000 } },
  { name: 'silence before the answer', fault: { stallAfter: 0 }, forever: TIMEOUTS },
  { name: 'silence within the body', fault: { stallAfter: 30_000 } },
  { name: 'a shorter range that says so', fault: { shortenTo: 20_000 }, forever: /got \d+–\d+/ },
  { name: 'an ignored range', fault: { ignoreRange: true }, forever: /got 200/ },
  { name: 'another tag', fault: { etag: '"another"' } },
  { name: 'another tag each time', fault: n => ({ etag: `"v${n}"` }), forever: /to stay as it was/ },
  { name: 'an expired address (400)', fault: expired('v4'), forever: /got 400/ },
  { name: 'an expired address (403)', fault: expired('v2'), forever: /got 403/ },
  { name: 'a missing object', fault: storageError(404, 'NoSuchKey', 'Gone.'), forever: /got 404/ },
  { name: 'a turned bit', fault: { flipAt: 7 }, forever: /CRC-32C/, final: true },
  {
    name: 'a wrong Content-Range',
    fault: { rangeOffBy: 7 },
    forever: /Expected bytes \d+–\d+ of train\.zip\.001, got/,
  },
  { name: 'a slow connection', fault: (_, size) => ({ bytesPerSecond: size / 2 }) },
];

describe.concurrent.each(STORES)('on $name, a storage that answers with', kind => {
  describe.concurrent.each(FAULTS)('$name', ({ fault, forever, final }) => {
    const at = (n: number) => (typeof fault === 'function' ? fault(n, kind.size) : fault);

    it('the first time, and now and then later, does no harm', async context => {
      const { plan, attempt, check } = await setUp(kind, context);
      plan(n => (n === 1 || n === 4 ? at(n) : undefined));
      await check(await attempt());
    });

    it.for([
      ['always', 1],
      ['always after its first answer', 2],
    ] as const)('%s ends in time, and right or by its name', async ([, from], context) => {
      const { plan, attempt, check, checkNothing } = await setUp(kind, context);
      plan(n => (n >= from ? at(n) : undefined));
      const outcome = await attempt().catch((error: Error) => error);
      if (outcome instanceof Error) {
        expect(outcome).toMatchObject({ message: expect.stringMatching(/^Expected .*, got /) });
        expect(isFinal(outcome)).toBe(final === true);
        if (forever) expect(outcome.message).toMatch(forever);
        await checkNothing();
      } else {
        expect(forever).toBeUndefined();
        await check(outcome);
        return;
      }
      plan(never);
      await check(await attempt());
    });
  });

  it('a long Retry-After gives the slot back for that long', async context => {
    const { plan, attempt, check } = await setUp(kind, context);
    plan(n => (n > 3 ? busy(503, new Date(Date.now() + 3600_000)) : undefined));
    const failure = (await failureOf(attempt())) as Error & { nextRetryDelay?: number };
    expect(failure).toMatchObject({ type: 'RateLimited', nonRetryable: false });
    expect(failure.nextRetryDelay).toBeGreaterThan(3500_000);
    plan(never);
    await check(await attempt());
  });

  it('the bytes of another version from the middle on gives that version, whole', async context => {
    const { plan, attempt, check, files, bytes } = await setUp(kind, context);
    const fresh = noise(bytes.length);
    plan(n => {
      if (n === 3) files[0] = served('train.zip.001', fresh);
      return undefined;
    });
    await check(await attempt(), fresh);
  });

  it('any sequence of faults gives the part, or an error that names one', async () => {
    const cheap = FAULTS.filter(({ name }) => !name.startsWith('silence') && !name.startsWith('a slow'));
    const sequence = fc.array(fc.option(fc.constantFrom(...cheap), { nil: undefined }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sequence, async faults => {
        const ends: (() => unknown)[] = [];
        const { plan, attempt, check, checkNothing } = await setUp(kind, {
          onTestFinished: end => void ends.push(end as () => unknown),
        });
        try {
          plan(n => {
            const fault = faults[n - 1]?.fault;
            return typeof fault === 'function' ? fault(n, kind.size) : fault;
          });
          // What the attempts of an activity come to: each meets the rest of the sequence.
          for (let attempts = 0; ; attempts += 1) {
            expect(attempts).toBeLessThan(40);
            const outcome = await attempt().catch((error: Error) => error);
            if (!(outcome instanceof Error)) {
              await check(outcome);
              return;
            }
            expect(outcome.message).toMatch(/^Expected .*, got /);
            await checkNothing();
            // Wrong bytes again and again: no later attempt would be made.
            if (isFinal(outcome)) {
              expect(outcome.message).toContain('CRC-32C');
              return;
            }
          }
        } finally {
          for (const end of ends) await end();
        }
      }),
      { numRuns: RUNS },
    );
  }, 400_000);
});

describe.concurrent('an API that answers with', () => {
  const API: { name: string; fault: Misbehaviour; forever: RegExp; final?: true }[] = [
    { name: '429 with Retry-After as a date', fault: busy(429, SOON), forever: /got 429 \(Too many requests\)/ },
    { name: '503', fault: busy(503), forever: /got 503/ },
    { name: 'a web page', fault: webPage(), forever: /got 200/ },
    { name: 'busy under 200', fault: errorUnder200(429, 'slower'), forever: /got 429 \(slower\)/ },
    { name: 'silence', fault: { stallAfter: 0 }, forever: TIMEOUTS },
    { name: 'a reset', fault: { resetAfter: 0 }, forever: CODES },
    { name: '401', fault: refusal(401, 'Unauthorized'), forever: /got 401 \(Unauthorized\): create a/, final: true },
    { name: '403', fault: refusal(403, 'accept'), forever: /got 403 \(accept\): accept the rules at/, final: true },
  ];

  it.for(API)('$name is asked again, or says what to do', async ({ fault, forever, final }, context) => {
    const { plan, attempt, list, check, checkNothing } = await setUp(STORES[0]!, context);
    for (const work of [attempt, list]) {
      plan(never, () => fault);
      const failure = await failureOf(work());
      expect(failure.message).toMatch(forever);
      expect(isFinal(failure)).toBe(final === true);
      await checkNothing();
    }
    plan(never, n => (n === 1 && !final ? fault : undefined));
    expect((await list()).parts).toHaveLength(1);
    plan(never, n => (n === 1 && !final ? fault : undefined));
    await check(await attempt());
  });
});
