/** `retinopathy gc --delete`, its process killed while it removes: what stays is whole, and the next one takes the rest. */
import { watch } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createFileStore } from '../../../storage/file.ts';
import { waitUntilTidy } from '../../../storage/gc-lock.ts';
import { storeId } from '../../../storage/identity.ts';
import { type Command, retinopathy } from '../../support/command.ts';
import { type TestServices, testServices } from '../../support/services.ts';
import { caller, expectWhole, keysIn, STAGES_OF, threeRuns } from './runs-in-store.ts';

/** So many that a kill finds some gone and some not: each removal is on the disk before the next begins. */
const SHARDS = 600;

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(() => services.close());

/** Starts the command, and kills it as soon as so many entries of the folder are gone. */
async function killedAfter(gone: number, folder: string, start: () => Command): Promise<void> {
  const removed = new Set<string | null>();
  const watcher = watch(folder);
  try {
    const enough = new Promise<void>(resolve => {
      watcher.on('change', (_, name) => {
        removed.add(String(name));
        if (removed.size >= gone) resolve();
      });
    });
    const command = start();
    const ended = command.exited.then(({ code }) => {
      throw new Error(`Expected a gc to be killed while it removes, got exit ${code}: ${command.output()}`);
    });
    ended.catch(() => {});
    await Promise.race([enough, ended]);
    command.killGroup('SIGKILL');
    expect(await command.exited).toEqual({ code: null, signal: 'SIGKILL' });
  } finally {
    watcher.close();
  }
}

test('killed again and again, it leaves the other runs whole and holds nobody up, and the last one takes the rest', async () => {
  const store = createFileStore(join(services.folder, 'killed'));
  const { own } = await threeRuns(services, store, SHARDS);
  await storeId(store);
  const goes = (key: string) => own.some(place => key.startsWith(`${place}/`));
  const before = await keysIn(store);
  const stays = before.filter(key => !goes(key));
  const pictures = join(services.folder, 'killed', own[0]!);
  const gc = (...args: string[]) => retinopathy(['gc', '--store', store.url, '--min-age', '0', '--delete', ...args]);
  // A run whose record is gone needs nobody to forget it.
  const forgetThree = async () => ((await store.head('runs/three/run.json')) ? ['--forget', 'three'] : []);

  let left = before.length - stays.length;
  // The first is the manifest of the pictures.
  for (const gone of [1, SHARDS / 4, SHARDS / 4, SHARDS / 4]) {
    const options = await forgetThree();
    await killedAfter(gone, pictures, () => gc(...options));
    const there = await keysIn(store);
    expect(there.filter(key => key.startsWith('tidying/'))).toHaveLength(1);
    expect(there).toEqual(expect.arrayContaining(stays));
    const now = there.filter(goes).length;
    expect(now).toBeGreaterThan(0);
    expect(now).toBeLessThanOrEqual(left - gone);
    left = now;

    await waitUntilTidy(store, 0);
    for (const stage of [...STAGES_OF.one, ...STAGES_OF.two]) {
      const { finished, prefix } = await caller(services, store)('openStage', stage);
      expect([prefix, finished]).toEqual([prefix, expect.objectContaining({ counts: {} })]);
    }
    await expectWhole(store);
  }

  const last = gc(...(await forgetThree()));
  expect((await last.exited).code, last.output()).toBe(0);
  expect((await keysIn(store)).sort()).toEqual(stays.sort());
}, 60_000);
