import { expect, it } from 'vitest';
import { checkRoom } from '../../activities/download/room.ts';
import { NoSpace } from '../../storage/durable-files.ts';
import { testServices } from '../support/services.ts';

const part = (name: string, size: number) => ({ name, size, date: '' });

it('is asked for before anything is fetched, without the parts that are there', async () => {
  const services = await testServices();
  try {
    const { store } = services;
    const free = (await store.room())!;
    const parts = [part('train.zip.001', free), part('train.zip.002', free / 2)];
    const failure = await checkRoom(store, 'here', parts).catch(error => error);
    expect(failure).toBeInstanceOf(NoSpace);
    expect(failure.message).toMatch(/^Expected [\d,.]+ MB to fit into file:\S+, got [\d,.]+ MB free: make room/);
    await store.put('archives/here/train.zip.001.part.json', Buffer.from('{}'));
    await checkRoom(store, 'here', parts);
  } finally {
    await services.close();
  }
});
