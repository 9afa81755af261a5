import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { NoSpace, withRoom } from '../../storage/fsync.ts';

it('says how much was free when a disk is full', async () => {
  const full = async () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  const error = await withRoom(tmpdir(), 12_345_678, full).catch(caught => caught);
  expect(error).toBeInstanceOf(NoSpace);
  expect(error.message).toMatch(
    /^Expected 12\.3 MB to fit into \S+, got [\d,.]+ MB free: make room, the work goes on by itself$/,
  );
});

it('passes on any other error', async () => {
  const error = new Error('other');
  await expect(withRoom(tmpdir(), 1, () => Promise.reject(error))).rejects.toBe(error);
});
