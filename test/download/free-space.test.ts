import { expect, it } from 'vitest';
import { checkFreeSpace } from '../../activities/download/free-space.ts';
import { NoSpace } from '../../storage/fsync.ts';
import { testServices } from '../support/services.ts';

const part = (name: string, size: number) => ({ name, size, date: '' });

it('is asked for before anything is fetched, without the chunks that are stored', async () => {
  const services = await testServices();
  try {
    const { store } = services;
    const free = (await store.freeSpace())!;
    const parts = [part('train.zip.001', 1e9), part('train.zip.002', free)];
    const failure = await checkFreeSpace(store, 'here', parts).catch(error => error);
    expect(failure).toBeInstanceOf(NoSpace);
    expect(failure.message).toMatch(/^Expected [\d,.]+ MB to fit into file:\S+, got [\d,.]+ MB free: make room/);
    // A disk that others write to has less free a moment later: what is missing then is far below it.
    const listing = async function* () {
      yield { key: '', size: free / 2, modified: 0 };
    };
    await checkFreeSpace({ ...store, list: listing }, 'here', parts.slice(1));
  } finally {
    await services.close();
  }
});
