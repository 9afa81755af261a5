/** A small run that every kind of harm comes over once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Random } from '../../demo/random.ts';
import { TINY } from '../support/tiny.ts';
import { compareOutcomes } from './compare.ts';
import { runOnce } from './run.ts';

let folder: string;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  folder = await mkdtemp(join(tmpdir(), 'chaos-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('comes to the weights, the metrics and the predictions of a calm run', async () => {
  const seed = process.env.RETINOPATHY_SEED ?? String(Date.now() % 1_000_000);
  console.log(`RETINOPATHY_SEED=${seed}`);
  const never = new AbortController().signal;
  const calm = await runOnce(join(folder, 'calm'), TINY, never);
  const random = new Random(seed);
  const trouble = { random, every: [500, 3_000] as const, once: true, report: console.log };
  const harmed = await runOnce(join(folder, 'harmed'), TINY, never, trouble);
  expect(harmed.harm.size).toBeGreaterThan(3);
  expect(calm.weights.size).toBeGreaterThan(0);
  for (const { what, same, detail } of compareOutcomes(calm, harmed)) expect(same, `${what}: ${detail}`).toBe(true);
}, 400_000);
