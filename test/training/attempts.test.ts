import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Attempt, Journal, lostWork, readAttempts } from '../../activities/training/attempts.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(() => services.close());

const entry = { activity: 'run/7', number: 1, from: 8, to: 16 };

describe('the journal of an attempt', () => {
  test('says that it runs, and at its end how far it came and why it ended', async () => {
    const journal = new Journal(services.store, 'segment/attempts/a.json', { ...entry, attempt: 'a' });
    await journal.begin();
    expect(await readAttempts(services.store, 'segment')).toMatchObject([{ state: 'running', iteration: 8 }]);
    journal.reached(12);
    await journal.end('shut down', 'The worker is going away\n  at a stack trace');
    expect(await readAttempts(services.store, 'segment')).toMatchObject([
      { state: 'shut down', iteration: 12, message: 'The worker is going away' },
    ]);
  });

  test('is gone when nothing was tried', async () => {
    const journal = new Journal(services.store, 'other/attempts/a.json', { ...entry, attempt: 'a' });
    await journal.begin();
    await journal.withdraw();
    expect(await readAttempts(services.store, 'other')).toEqual([]);
  });
});

test('lost work is what all attempts but one did, by reason', () => {
  const attempt = (name: string, state: Attempt['state'], iteration: number, over: Partial<Attempt> = {}): Attempt => ({
    ...{ ...entry, attempt: name, startedAt: '2026-11-23T05:00:00.000Z', state, iteration, seconds: iteration },
    ...over,
  });
  const instead = { attempt: 'first', reason: 'spoilt', seconds: 20 } as const;
  const attempts = [
    attempt('vanished', 'running', 10),
    attempt('told', 'shut down', 12),
    attempt('first', 'trained', 16),
    attempt('vanished-again', 'running', 8, { instead }),
    attempt('winner', 'trained', 16, { instead }),
  ];
  expect(lostWork(attempts, 'winner')).toEqual({
    attempts: 4,
    iterations: 2 + 4 + 8 + 0,
    seconds: 10 + 12 + 20 + 8,
    reasons: { killed: 2, 'shut down': 1, spoilt: 1 },
  });
  expect(lostWork(attempts.slice(-1), 'winner')).toEqual({ attempts: 0, iterations: 0, seconds: 0, reasons: {} });
});
