/** On simulated eyes the truth is known: the report's interval must hold it as often as it says, and the regression earn its place. */
import { expect, test } from 'vitest';
import { coverageTrials, holdsTruth, type Trial } from '../bench/regress/coverage.ts';
import { COMPETITION, EASY } from '../bench/regress/population.ts';

async function all(coming: AsyncIterable<Trial>): Promise<Trial[]> {
  const trials: Trial[] = [];
  for await (const trial of coming) trials.push(trial);
  return trials;
}

function expectWorth(trials: readonly Trial[], noise: number): void {
  for (const { overArgmax, overBaseline } of trials) {
    expect(overArgmax).toBeGreaterThan(0);
    expect(overBaseline).toBeGreaterThan(-noise);
  }
}

test.each([
  ['as the competition had them', COMPETITION],
  ['all alike and networks that are about right', EASY],
])(
  'intervals hold the true kappa, and the regression beats argmax and adding up, with stages %s',
  async (_, kind) => {
    const trials = await all(coverageTrials(kind, 10, 1_500, 8_000));
    expect(trials.filter(holdsTruth).length).toBeGreaterThanOrEqual(9);
    expectWorth(trials, 0.01);
  },
  30_000,
);

test.runIf(process.env.RETINOPATHY_LONG)(
  'at the size of the competition, in at least 90 of 100 sets',
  async () => {
    const trials = await all(coverageTrials(COMPETITION, 100, 17_563, 150_000));
    expect(trials.filter(holdsTruth).length).toBeGreaterThanOrEqual(90);
    expectWorth(trials, 0.005);
  },
  900_000,
);
