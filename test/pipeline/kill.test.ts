/** `npm start`, killed with all its processes in the middle of three stages, comes to the same report as a calm run. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawEyes } from '../../activities/download/generate-synthetic.ts';
import { resolveInput } from '../../config/resolve.ts';
import { createFileStore } from '../../storage/file.ts';
import { type KaggleServer, type ServedFile, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { type Command, eventually, npmStart } from '../support/command.ts';
import { withoutTimes } from '../support/curves.ts';
import { processesMentioning } from '../support/processes.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { TINY, TINY_OPTIONS } from '../support/tiny.ts';

let folder: string;
let services: TestServices;
let server: KaggleServer;

/** Parts whose bytes the server holds back, and how often each part's first byte was asked for. */
let held = new Set<string>();
const asked = new Map<string, number>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kill-'));
  services = await testServices();
  const { synthetic, archive } = resolveInput(TINY);
  const drawn = await drawEyes(services, { prefix: 'stages/synthetic/eyes', synthetic, archive });
  const files = Object.entries(drawn.outputs).map(([servedAs, { key, size, crc32c }]): ServedFile => {
    const name = servedAs.replace(/(\.\d{3})\.zip$/, '$1');
    return {
      ...{ name, servedAs, size, crc32c },
      read: async (offset, length) => {
        // The probe of one byte may pass: what counts is the transfer.
        if (length > 1) asked.set(name, (asked.get(name) ?? 0) + 1);
        while (held.has(name) && length > 1) await new Promise(resolve => setTimeout(resolve, 50));
        return services.store.get(key, { offset, length });
      },
    };
  });
  server = await startKaggleServer({ competition: null, files, token: null });
});

afterAll(async () => {
  held.clear();
  await server?.close();
  await services?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Keys of the store that match, or undefined when there are none. */
async function stored(out: string, prefix: string, pattern: RegExp): Promise<string[] | undefined> {
  const store = createFileStore(join(out, 'store'));
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) if (pattern.test(key)) found.push(key);
  return found.length > 0 ? found : undefined;
}

async function metricsOf(out: string) {
  // Seconds and attempts differ, and so may the run's moment; nothing else.
  const { work, ...rest } = JSON.parse(await readFile(join(out, 'report/metrics.json'), 'utf8'));
  return { work, rest };
}

const start = (out: string): Command => npmStart(['--source', server.url, '--out', out, ...TINY_OPTIONS]);

test('kill -9 of the whole group in a download, in preparing, in training: the same result, finished work not done twice', async () => {
  const calm = join(folder, 'calm');
  const killed = join(folder, 'killed');
  const undisturbed = start(calm);
  expect(await undisturbed.exited, undisturbed.output()).toEqual({ code: 0, signal: null });

  async function killWhen(moment: string, reached: () => Promise<unknown>): Promise<void> {
    const command = start(killed);
    await eventually(() => `${moment} (${command.output()})`, 150, reached);
    command.killGroup('SIGKILL');
    await command.exited;
    await eventually(`nothing left running after the kill in ${moment}`, 10, async () => {
      return (await processesMentioning(killed)).length === 0;
    });
  }

  // Two parts are there, three are on the way.
  held = new Set(['train.zip.003', 'train.zip.004', 'train.zip.005']);
  asked.clear();
  await killWhen('a download', async () => {
    const finished = await stored(killed, 'archives/', /\/part\.json$/);
    return finished?.length === 2 && [...held].every(name => asked.has(name));
  });
  held = new Set();
  const transfers = new Map(asked);
  await killWhen('preparing', () => stored(killed, 'stages/prepare/', /directory\.json$/));
  // What was finished before the first kill was not fetched again.
  for (const name of ['train.zip.001', 'train.zip.002']) expect(asked.get(name)).toBe(transfers.get(name));
  await killWhen('training', () => stored(killed, 'stages/segment/', /manifest\.json$/));
  const trained = await stored(killed, 'stages/segment/', /manifest\.json$/);

  const last = start(killed);
  expect(await last.exited, last.output()).toEqual({ code: 0, signal: null });
  const [a, b] = [await metricsOf(calm), await metricsOf(killed)];
  expect(b.rest).toEqual(a.rest);
  const report = (out: string, file: string) => readFile(join(out, 'report', file), 'utf8');
  expect(await report(killed, 'predictions.csv')).toBe(await report(calm, 'predictions.csv'));
  expect(withoutTimes(await report(killed, 'curves.csv'))).toBe(withoutTimes(await report(calm, 'curves.csv')));
  // Four splits, two epochs, two segments each: nothing that was finished is trained again, and at most what ran is repeated.
  expect(await stored(killed, 'stages/segment/', /manifest\.json$/)).toEqual(
    await stored(calm, 'stages/segment/', /manifest\.json$/),
  );
  expect(a.work).toMatchObject({ segmentsTrained: 16, segmentsRepeated: 0 });
  expect(b.work.segmentsTrained + b.work.segmentsReused).toBe(16);
  expect(b.work.segmentsTrained).toBeLessThanOrEqual(16);
  expect(b.work.segmentsRepeated).toBeLessThanOrEqual(trained?.length === 16 ? 0 : 4);
  // The three parts that were on their way, each at least.
  const { attempts, attemptsLost, secondsLost } = b.work.stages.find(
    ({ name }: { name: string }) => name === 'download',
  );
  expect(attemptsLost).toBeGreaterThanOrEqual(3);
  // The listing, five parts and the labels came to something in the end.
  expect(attempts - attemptsLost).toBe(7);
  expect(secondsLost).toBeGreaterThan(0);

  const again = start(killed);
  expect(await again.exited, again.output()).toEqual({ code: 0, signal: null });
  expect(again.output()).toContain('Finished before');
}, 600_000);
