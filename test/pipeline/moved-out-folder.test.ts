/** `npm start` in an out folder that was moved, copied or half deleted since. */
import { cp, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileStore } from '../../storage/file.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { processesMentioning } from '../support/processes.ts';
import { TINY_OPTIONS } from '../support/tiny.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'moved-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What is asked here does not depend on how many eyes there are. */
const OPTIONS = [...TINY_OPTIONS, '--set', 'synthetic.patients=20', '--until', 'prepare'];

const start = (out: string, ...more: string[]) => retinopathy(['run', '--out', out, '--no-keep', ...OPTIONS, ...more]);

async function ended(out: string, ...more: string[]): Promise<{ code: number | null; said: string }> {
  const command = start(out, ...more);
  const { code } = await command.exited;
  return { code, said: command.output() };
}

/** Keys with sizes and times of writing, below `archives/` and `stages/`. */
async function made(out: string): Promise<unknown[]> {
  const objects = [];
  for (const top of ['archives/', 'stages/'])
    for await (const object of createFileStore(join(out, 'store')).list(top)) objects.push(object);
  return objects;
}

test('goes on where it is now, writes into itself only, and says in one line what is missing', async () => {
  const [first, moved, copy] = ['first', 'moved', 'copy'].map(name => join(folder, name)) as [string, string, string];

  // Killed in the middle, and moved.
  const killed = start(first);
  await eventually(
    () => `the download to end (${killed.output()})`,
    300,
    () => killed.output().includes('done download'),
  );
  killed.killGroup('SIGKILL');
  await killed.exited;
  await eventually('nothing left running', 20, async () => (await processesMentioning(first)).length === 0);
  const downloaded = await made(first);
  await rename(first, moved);
  const resumed = await ended(moved);
  expect(resumed.code, resumed.said).toBe(0);
  expect(resumed.said).toMatch(/Going on with synthetic-\w+, everything in .*\/moved/);
  expect(await made(moved)).toEqual(expect.arrayContaining(downloaded));
  expect(await readdir(folder)).toEqual(['moved']);

  // Copied, and the original moved out of reach: the copy has all it needs, and leaves the original as it is.
  await cp(moved, copy, { recursive: true, preserveTimestamps: true });
  const before = await made(moved);
  await rename(moved, first);
  const other = await ended(copy, '--set', 'images.size=48');
  expect(other.code, other.said).toBe(0);
  expect(other.said).toMatch(/found download/);
  expect(await made(first)).toEqual(before);
  expect((await made(copy)).length).toBeGreaterThan(before.length);

  // Half deleted: all that the store says of the run; its database; the file that remembers it.
  await rm(join(first, 'store/runs'), { recursive: true });
  const again = await ended(first);
  expect(again.code, again.said).toBe(0);
  expect(again.said).toMatch(/Started synthetic-\w+[\s\S]*found download[\s\S]*found prepare/);
  for (const name of ['temporal.db', 'state.json']) await rm(join(first, name));
  const healed = await ended(first);
  expect(healed.code, healed.said).toBe(0);
  expect(await made(first)).toEqual(before);

  // Without its store it says so, and makes nothing.
  await rename(join(first, 'store'), join(folder, 'away'));
  const refused = await ended(first);
  expect(refused.code).toBe(1);
  expect(refused.said.trim()).toMatch(/^retinopathy: Expected the store of run .*, got none there: put it back .*$/);
  expect(await readdir(first)).not.toContain('store');
  const named = await ended(first, '--store', `file:${join(folder, 'away')}`);
  expect(named.said).toContain('Finished before:');
}, 900_000);
