/** `npm start`, killed with all its processes in the middle of three stages, comes to the same report as a calm run. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileStore } from '../../storage/file.ts';
import { eventually, npmStart } from '../support/command.ts';
import { processesMentioning } from '../support/processes.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kill-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A key under `prefix` that ends so. */
async function stored(out: string, prefix: string, ending: string): Promise<string | undefined> {
  const store = await createFileStore(join(out, 'store'));
  for await (const { key } of store.list(prefix)) if (key.endsWith(ending)) return key;
  return undefined;
}

async function metricsOf(out: string) {
  const { work, ...rest } = JSON.parse(await readFile(join(out, 'report/metrics.json'), 'utf8'));
  return { work, rest };
}

/** What must have happened before each kill: then the stage after it is under way. */
const MOMENTS: [stage: string, prefix: string, ending: string][] = [
  ['a download', 'stages/synthetic/', 'manifest.json'],
  ['preparing', 'stages/prepare/', 'directory.json'],
  ['training', 'stages/segment/', 'manifest.json'],
];

test('kill -9 of the whole group in a download, in preparing, in training: the same result, finished work not done twice', async () => {
  const calm = join(folder, 'calm');
  const killed = join(folder, 'killed');
  const undisturbed = npmStart(['--out', calm, ...TINY_OPTIONS]);
  expect(await undisturbed.exited, undisturbed.output()).toEqual({ code: 0, signal: null });

  for (const [stage, prefix, ending] of MOMENTS) {
    const command = npmStart(['--out', killed, ...TINY_OPTIONS]);
    await eventually(`${stage} to be under way (${command.output()})`, 150, () => stored(killed, prefix, ending));
    command.killGroup('SIGKILL');
    await command.exited;
    await eventually(`nothing left after the kill in ${stage}`, 10, async () => {
      return (await processesMentioning(killed)).length === 0;
    });
  }
  const last = npmStart(['--out', killed, ...TINY_OPTIONS]);
  expect(await last.exited, last.output()).toEqual({ code: 0, signal: null });

  const [a, b] = [await metricsOf(calm), await metricsOf(killed)];
  expect(b.rest).toEqual(a.rest);
  expect(await readFile(join(killed, 'report/predictions.csv'), 'utf8')).toBe(
    await readFile(join(calm, 'report/predictions.csv'), 'utf8'),
  );
  // Four splits, two epochs, two segments each; those that were finished before the kill were trained once.
  expect(b.work.segmentsTrained + b.work.segmentsReused).toBe(16);
  expect(b.work.segmentsRepeated).toBeLessThanOrEqual(4);

  // Once more: nothing is done, the report is there.
  const again = npmStart(['--out', killed, ...TINY_OPTIONS]);
  expect(await again.exited, again.output()).toEqual({ code: 0, signal: null });
  expect(again.output()).toContain('Finished before');
}, 600_000);
