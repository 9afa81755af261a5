/** The budget's core: whatever the trainings do, no more is spent than the limit, and nobody waits who could be paid. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Purse } from '../../workflows/purse.ts';

/** A unit of money a second. */
const budget = (limit: number) => ({ currency: 'EUR', perGpuHour: 3600, limit });

const tasks = fc.array(fc.record({ who: fc.nat({ max: 3 }), seconds: fc.integer({ min: 1, max: 50 }) }), {
  maxLength: 60,
});

/** Trainings that spend as told, as long as they may: each task as long as it was expected. */
function spend(purse: Purse, limit: number, jobs: { who: number; seconds: number }[]) {
  const trainings = Array.from({ length: 4 }, (_, n) => ({ name: `t${n}`, spent: 0, ceiling: 0, waits: false }));
  const take = (allowed: { name: string; ceiling: number }[]) => {
    for (const { name, ceiling } of allowed)
      Object.assign(trainings.find(t => t.name === name)!, { ceiling, waits: false });
  };
  let refused = 0;
  for (const { who, seconds } of jobs) {
    const training = trainings[who]!;
    if (training.waits) continue;
    if (training.spent + seconds > training.ceiling) {
      training.waits = true;
      take(purse.ask({ name: training.name, spent: training.spent, need: seconds, wanted: 5 * seconds }));
    }
    if (training.waits) refused++;
    else training.spent += seconds;
    expect(trainings.reduce((sum, { spent }) => sum + spent, 0)).toBeLessThanOrEqual(limit + 1e-9);
  }
  return { trainings, refused, take };
}

describe('a budget', () => {
  test('is never overspent, and what is left is too little for the one who waits, or held by one who may spend it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), tasks, (limit, jobs) => {
        const purse = new Purse(budget(limit), 4);
        const { trainings } = spend(purse, limit, jobs);
        const held = trainings.reduce((sum, t) => sum + (t.waits ? t.spent : Math.max(t.spent, t.ceiling)), 0);
        for (const { cost } of purse.waiting) expect(cost).toBeGreaterThan(limit - held - 1e-9);
        expect(purse.waiting.map(({ name }) => name).sort()).toEqual(
          trainings.flatMap(({ name, waits }) => (waits ? [name] : [])),
        );
      }),
    );
  });

  test('that is raised lets all go on who waited', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), tasks, (limit, jobs) => {
        const purse = new Purse(budget(limit), 4);
        const { trainings, take } = spend(purse, limit, jobs);
        take(purse.raise(10_000));
        expect(purse.waiting).toEqual([]);
        expect(trainings.every(({ waits, ceiling, spent }) => !waits && ceiling >= spent)).toBe(true);
      }),
    );
  });

  test('lets one begin that knows no cost yet, by what the others have seen, or as long as something is left', () => {
    const purse = new Purse(budget(10), 2);
    const first = { name: 'a', spent: 0, need: null, wanted: 0 };
    expect(purse.ask(first)).toEqual([{ name: 'a', ceiling: 0 }]);
    expect(purse.ask({ ...first, spent: 6, need: 6 })).toEqual([]);
    expect(purse.waiting).toEqual([{ name: 'a', cost: 6 }]);
    expect(purse.ask({ ...first, name: 'b' })).toEqual([]);
    expect(purse.spent).toBe(6);
    // What one has not spent when it ends is there for the other.
    expect(purse.ask({ name: 'a', spent: 3, need: 0, wanted: 0 })).toEqual([{ name: 'b', ceiling: 6 }]);
    expect(purse.waiting).toEqual([]);
  });

  test('hands out an epoch at a time as long as there is plenty, a task at a time near the end', () => {
    const purse = new Purse(budget(100), 1);
    const ask = (spent: number) => purse.ask({ name: 'a', spent, need: 5, wanted: 40 })[0]?.ceiling;
    expect([ask(0), ask(40), ask(70), ask(92), ask(96)]).toEqual([40, 70, 85, 97, undefined]);
  });
});
