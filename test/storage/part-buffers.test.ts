import { describe, expect, it, vi } from 'vitest';
import { createPartBuffers } from '../../storage/part-buffers.ts';

const never = new AbortController().signal;
const settled = async (promise: Promise<unknown>) =>
  Promise.race([promise.then(() => true), new Promise(resolve => setImmediate(resolve, false))]);

describe('buffers for parts', () => {
  it('are used again', async () => {
    const buffers = createPartBuffers(300);
    const first = await buffers.take(100, never);
    const memory = first.bytes.buffer;
    first.giveBack();
    const second = await buffers.take(60, never);
    expect(second.bytes.length).toBe(60);
    expect(second.bytes.buffer).toBe(memory);
  });

  it('never take more than the limit: who comes later waits, in turn', async () => {
    const buffers = createPartBuffers(300);
    const [a, b] = [await buffers.take(150, never), await buffers.take(150, never)];
    const third = buffers.take(200, never);
    const fourth = buffers.take(10, never);
    expect(await settled(fourth)).toBe(false);
    a.giveBack();
    a.giveBack();
    // Its 150 bytes and the free 150 are too small: one makes room for a larger one.
    expect(await settled(third)).toBe(false);
    b.giveBack();
    expect((await third).bytes.length).toBe(200);
    expect((await fourth).bytes.length).toBe(10);
  });

  it('one larger than all is had alone', async () => {
    const buffers = createPartBuffers(100);
    const small = await buffers.take(10, never);
    const large = buffers.take(1000, never);
    expect(await settled(large)).toBe(false);
    small.giveBack();
    expect((await large).bytes.length).toBe(1000);
  });

  it('who gives up waiting is in nobody’s way', async () => {
    const buffers = createPartBuffers(100);
    const all = await buffers.take(100, never);
    const stop = new AbortController();
    const first = buffers.take(100, stop.signal);
    const second = buffers.take(50, never);
    stop.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await expect(buffers.take(1, stop.signal)).rejects.toThrow('enough');
    all.giveBack();
    expect((await second).bytes.length).toBe(50);
  });

  it('are left to the collector when nobody has wanted one for a while', async () => {
    vi.useFakeTimers();
    try {
      const buffers = createPartBuffers(100);
      const one = await buffers.take(100, never);
      const memory = one.bytes.buffer;
      one.giveBack();
      vi.advanceTimersByTime(31_000);
      expect((await buffers.take(100, never)).bytes.buffer).not.toBe(memory);
    } finally {
      vi.useRealTimers();
    }
  });
});
