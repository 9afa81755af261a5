/** `retinopathy gc` on stores of three runs that share stages, made by the real activities: in a folder and in S3. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunActivities } from '../../../activities/run/types.ts';
import { sweep } from '../../../cli/gc/sweep.ts';
import { runChild } from '../../../lib/process/child-process.ts';
import { putBytes } from '../../../storage/artifacts.ts';
import { createFileStore } from '../../../storage/file.ts';
import { StoreBusy, waitUntilTidy, whileTidying } from '../../../storage/gc-lock.ts';
import { storeId } from '../../../storage/identity.ts';
import { createS3Store } from '../../../storage/s3.ts';
import type { ArtifactStore } from '../../../storage/store.ts';
import { retinopathy } from '../../support/command.ts';
import { type S3Server, startS3 } from '../../support/s3/s3.ts';
import { type TestServices, testServices } from '../../support/services.ts';
import { caller, expectWhole, keysIn, open, threeRuns } from './runs-in-store.ts';

let services: TestServices;
let s3: S3Server;
beforeAll(async () => {
  [services, s3] = await Promise.all([testServices(), startS3()]);
  Object.assign(process.env, s3.env);
}, 120_000);
afterAll(() => Promise.all([services?.close(), s3?.close()]));

const ALL = ['one', 'two', 'three'];
const soon = () => Date.now() + 60_000;
const forgetThree = () => ({ before: soon(), forget: new Set(['three']) });

describe.each(['a folder', 'S3'])('a store in %s', where => {
  let made = 0;
  const newStore = async () => {
    const name = `gc-${++made}`;
    if (where === 'S3') return createS3Store(`s3://${s3.bucket}/${name}`);
    return createFileStore(`${services.folder}/${name}`);
  };

  test('shows what nothing refers to and leaves it; frees exactly that when it is asked to', async () => {
    const store = await newStore();
    const { own } = await threeRuns(services, store);
    await storeId(store);
    const before = await keysIn(store);
    const gc = async (...args: string[]) => {
      const command = retinopathy(['gc', '--store', store.url, '--min-age', '0', ...args], s3.env);
      const { code } = await command.exited;
      return { code, said: command.output() };
    };
    const dry = await gc('--forget', 'three');
    expect(dry.code, dry.said).toBe(0);
    for (const place of own) expect(dry.said).toContain(`${place}/`);
    expect(dry.said).toMatch(/runs\/gone\/ +50 B +1 +left of a run that is gone/);
    expect(dry.said).toContain('Nothing was removed: --delete does it');
    expect(await keysIn(store)).toEqual(before);

    const done = await gc('--forget', 'three', '--delete', '--json');
    expect(done.code, done.said).toBe(0);
    const left = await keysIn(store);
    expect(left).toEqual(before.filter(key => !own.some(place => key.startsWith(`${place}/`))));
    expect(left).toContain('archives/eyes/train.zip.001/0a1b2c3d/part.json');
    await expectWhole(store);
    for (const stage of ['download', 'prepare'] as const) {
      const parameters = stage === 'prepare' ? { size: 64 } : {};
      const { finished } = await caller(services, store)('openStage', open('four', stage, parameters));
      expect(finished).not.toBeNull();
    }
  }, 60_000);

  test.each(where === 'S3' ? [[ALL]] : [[['three']], [ALL]])(
    'killed after any removal while it forgets %j, has only whole stages, and the rest goes the next time',
    async forget => {
      const store = await newStore();
      const { own } = await threeRuns(services, store);
      const before = await keysIn(store);
      const left = forget.length > 1 ? [] : before.filter(key => !own.some(place => key.startsWith(`${place}/`)));
      let removals = 0;
      for (let most = 1; ; most++) {
        let now = 0;
        const dying: ArtifactStore = {
          ...store,
          remove: async key => {
            if (!key.startsWith('tidying/') && ++now > 1) throw new Error('killed');
            if (!key.startsWith('tidying/')) removals++;
            await store.remove(key);
          },
        };
        const ended = await sweep(dying, { before: soon(), forget: new Set(forget) }, () => {}).then(
          () => true,
          () => false,
        );
        await expectWhole(store);
        if (ended || most > before.length) break;
      }
      expect(removals).toBe(before.length - left.length);
      expect(await keysIn(store)).toEqual(left);
    },
    60_000,
  );
});

describe('gc and the runs', () => {
  test('whoever opens a stage waits until the tidying is over, and then makes what is gone', async () => {
    const store = createFileStore(`${services.folder}/waits`);
    await threeRuns(services, store);
    let opened: ReturnType<RunActivities['openStage']> | undefined;
    await sweep(
      {
        ...store,
        remove: async key => {
          // In the middle of the removal a new run begins with what is being removed.
          opened ??= caller(services, store)('openStage', open('late', 'prepare', { size: 96 }));
          await store.remove(key);
        },
      },
      forgetThree(),
      () => {},
    );
    expect(await opened).toMatchObject({ finished: null });
  }, 30_000);

  test('what a run is about to open stays, as it says so first', async () => {
    const store = createFileStore(`${services.folder}/claims`);
    await threeRuns(services, store);
    await caller(services, store)('resolveInput', { run: 'late', input: { until: 'label' } });
    const stuck: ArtifactStore = {
      ...store,
      list: prefix => {
        if (prefix === 'tidying/') throw new Error('killed after its claim, before its record');
        return store.list(prefix);
      },
    };
    await expect(caller(services, stuck)('openStage', open('late', 'prepare', { size: 96 }))).rejects.toThrow('killed');
    const { leftovers } = await sweep(store, forgetThree(), () => {});
    expect(leftovers.map(({ what }) => what.split('/')[1])).not.toContain('prepare');
    expect((await caller(services, store)('openStage', open('late', 'prepare', { size: 96 }))).finished).not.toBeNull();
  }, 30_000);

  test('two do not tidy at once; the notice of one that was killed holds nobody up', async () => {
    const store = createFileStore(`${services.folder}/notice`);
    await whileTidying(store, async () => {
      await expect(sweep(store, forgetThree(), () => {})).rejects.toBeInstanceOf(StoreBusy);
      await expect(waitUntilTidy(store, 10)).rejects.toMatchObject({ code: 'EBUSY' });
    });
    const script = `
      const { createFileStore } = await import('./storage/file.ts');
      const { whileTidying } = await import('./storage/gc-lock.ts');
      await whileTidying(createFileStore(${JSON.stringify(`${services.folder}/notice`)}), () => process.kill(process.pid, 'SIGKILL'));`;
    await runChild([process.execPath, '--import', 'tsx', '--input-type=module', '-e', script]);
    const notices = async () => (await keysIn(store)).filter(key => key.startsWith('tidying/'));
    expect(await notices()).toHaveLength(1);
    await waitUntilTidy(store, 0);
    await sweep(store, forgetThree(), () => {});
    expect(await notices()).toEqual([]);
  }, 30_000);

  test('of any number that come at once one tidies, or none', async () => {
    const store = createFileStore(`${services.folder}/at-once`);
    for (let round = 0; round < 20; round++) {
      let [now, most] = [0, 0];
      const tidy = () =>
        whileTidying(store, async () => {
          most = Math.max(most, ++now);
          await new Promise(resolve => setTimeout(resolve, 5));
          now--;
        });
      const ended = await Promise.allSettled(Array.from({ length: 4 }, tidy));
      expect(most).toBeLessThanOrEqual(1);
      for (const one of ended) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(StoreBusy);
    }
    await whileTidying(store, async () => {});
  }, 30_000);

  test("removes nothing of a folder that is no store: a user's own runs/ and archives/", async () => {
    const folder = `${services.folder}/project`;
    const mine = ['runs/tensorboard/events', 'archives/2014.tar', 'stages/one/two/three'];
    for (const file of mine) await putBytes(createFileStore(folder), file, 'mine');
    const command = retinopathy(['gc', '--store', `file:${folder}`, '--min-age', '0', '--delete']);
    expect((await command.exited).code).toBe(1);
    expect(command.output().trim()).toBe(
      `retinopathy: Expected file:${folder} to be a store that a run or a worker has opened, got none: nothing is removed`,
    );
    expect(await keysIn(createFileStore(folder))).toEqual(mine.sort());
  }, 30_000);

  test.each([
    [['--min-age', 'yesterday'], 'Expected --min-age to be a time such as 30m, 24h or 7d, got `yesterday`'],
    [['--forget', 'nobody'], 'Expected a run nobody in file:'],
  ])(
    'refuses %j in one line',
    async (args, line) => {
      const command = retinopathy(['gc', '--store', services.store.url, ...args]);
      expect((await command.exited).code).toBe(1);
      expect(command.output()).toContain(line);
    },
    30_000,
  );
});
