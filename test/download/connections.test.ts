import { setMaxListeners } from 'node:events';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFairPool, type Release } from '../../activities/download/fair-pool.ts';
import { type Running, toReplace, toShare } from '../../activities/download/tails.ts';

const never = new AbortController().signal;
setMaxListeners(0, never);
const settled = () => new Promise(resolve => setImmediate(resolve));

describe('the pool of connections', () => {
  it('never gives out more than its limit, and serves everybody in the end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 30 }),
        async (limit, wishes) => {
          const pool = createFairPool(limit);
          const members = Array.from({ length: 4 }, () => pool.join());
          const held: Release[] = [];
          let served = 0;
          for (const wish of wishes) {
            void members[wish]!.acquire(never).then(release => {
              served += 1;
              held.push(release);
            });
          }
          while (served < wishes.length) {
            await settled();
            expect(held.length).toBe(Math.min(limit, wishes.length - served + held.length));
            const release = held.shift()!;
            release();
            release();
          }
          expect(served).toBe(wishes.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('serves the file that holds the fewest next', async () => {
    const pool = createFairPool(4);
    const [greedy, late] = [pool.join(), pool.join()];
    const order: string[] = [];
    const ask = (member: typeof greedy, name: string) =>
      member.acquire(never).then(release => {
        order.push(name);
        return release;
      });
    const first = await Promise.all(Array.from({ length: 4 }, () => ask(greedy, 'greedy')));
    const waiting = [ask(greedy, 'greedy'), ask(late, 'late'), ask(late, 'late'), ask(greedy, 'greedy')];
    for (const release of first) {
      release();
      await settled();
    }
    expect(order.slice(4)).toEqual(['late', 'late', 'greedy', 'greedy']);
    await Promise.all(waiting);
  });

  it('forgets one that does not wait any more', async () => {
    const pool = createFairPool(1);
    const release = await pool.join().acquire(never);
    const impatient = new AbortController();
    const waiting = pool.join().acquire(impatient.signal);
    impatient.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    release();
    await expect(pool.join().acquire(impatient.signal)).rejects.toThrow('enough');
    (await pool.join().acquire(never))();
  });
});

describe('near the end of a file', () => {
  const MIB = 1 << 20;
  const running = (left: number, received: number, elapsedMs: number): Running => ({ left, received, elapsedMs });

  it('the rest that takes longest is shared, if it is worth a request', () => {
    const fast = running(20 * MIB, 50 * MIB, 1000);
    const slow = running(10 * MIB, 1 * MIB, 1000);
    const short = running(7 * MIB, 1000, 1000);
    expect(toShare([fast, slow, short])).toBe(1);
    expect(toShare([fast, short])).toBe(0);
    expect(toShare([short])).toBe(-1);
    expect(toShare([])).toBe(-1);
    expect(toShare([fast, running(9 * MIB, 0, 0)])).toBe(1);
  });

  it('connections far below the usual speed are replaced, once that can be known', () => {
    const usual = [1000, 1200, 800, 10];
    expect(toReplace([running(MIB, 100 * 4000, 4000), running(MIB, 900 * 4000, 4000)], usual)).toEqual([0]);
    expect(toReplace([running(MIB, 0, 2000)], usual)).toEqual([]);
    expect(toReplace([running(MIB, 0, 4000)], [])).toEqual([]);
  });
});
