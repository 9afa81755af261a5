/** Which harm comes when. */
import { expect, test, vi } from 'vitest';
import type { Harm } from '../../cli/chaos/strike.ts';
import { type Strike, type StrikeOptions, strike } from '../../cli/chaos/strike.ts';
import type { Stage } from '../../config/stages.ts';
import { Random } from '../../lib/random.ts';

const harm = (name: string, stages?: Stage[]): Harm<string[]> => ({
  ...{ name, rest: 0, ...(stages && { stages }) },
  async do(target) {
    target.push(name);
    return { pids: [1], over: async () => true };
  },
});

/** The names of those that came, in their order. */
async function struck(
  harms: Harm<string[]>[],
  options: Partial<StrikeOptions>,
  ends = AbortSignal.timeout(10_000),
): Promise<string[]> {
  const came: string[] = [];
  const all = { random: new Random(1), every: [0, 1] as const, onStrike() {}, ...options };
  await strike(came, harms, all, ends);
  return came;
}

test('each kind comes as often as asked, and none twice before all others', async () => {
  const came = await struck([harm('a'), harm('b'), harm('c')], { each: 2 });
  expect(came.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
  expect(came.slice(3).sort()).toEqual(['a', 'b', 'c']);
});

test('a kind waits for its stage, and those of any stage leave a share for later', async () => {
  let stage: Stage = 'prepare';
  const seen: string[] = [];
  const onStrike = ({ name }: Strike) => {
    seen.push(`${stage} ${name}`);
    if (seen.length === 6) stage = 'train';
  };
  const share = () => (stage === 'train' ? 1 : 0.5);
  const harms = [harm('any'), harm('preparing', ['prepare']), harm('training', ['train'])];
  await struck(harms, { each: 4, stage: () => stage, share, onStrike });
  const times = (what: string) => seen.filter(each => each === what).length;
  expect(['any', 'preparing', 'training'].map(name => times(`prepare ${name}`))).toEqual([2, 4, 0]);
  expect(['any', 'training'].map(name => times(`train ${name}`))).toEqual([2, 4]);
});

test('one that cannot come yet comes as soon as it can, and no pause later', async () => {
  const random = new Random(1);
  const pauses = vi.spyOn(random, 'between');
  let asked = 0;
  expect(await struck([harm('a')], { random, each: 1, due: () => ++asked > 3 })).toEqual(['a']);
  // One before it, and one after.
  expect([asked, pauses.mock.calls.length]).toEqual([4, 2]);
});

test('what is done is told at once, and again when it is over', async () => {
  const told: (number | null)[] = [];
  const tell = ({ away }: Strike) => told.push(away);
  await struck([harm('a')], { each: 1, onStrike: tell, onOver: tell });
  expect(told).toEqual([null, expect.any(Number)]);
});

test('nothing comes after the end', async () => {
  expect(await struck([harm('a')], {}, AbortSignal.abort())).toEqual([]);
});
