/** A small run that every kind of harm comes over once, and what `--chaos` says of its own. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { compareOutcomes, outcomeOf } from '../../cli/chaos/outcome.ts';
import type { Survived } from '../../cli/chaos/run-with-chaos.ts';
import { readOutState } from '../../cli/local/run-dir.ts';
import { counted } from '../../lib/format.ts';
import { Random } from '../../lib/random.ts';
import { openStore } from '../../storage/open.ts';
import { retinopathy } from '../support/command.ts';
import { TINY, TINY_OPTIONS } from '../support/tiny.ts';
import { HARMS, MISFORTUNES } from './harm.ts';
import { runOnce } from './run.ts';

let folder: string;
beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  folder = await mkdtemp(join(tmpdir(), 'chaos-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('survives the kills of --chaos, then everything else, and comes to what a calm run comes to', async () => {
  const out = join(folder, 'out');
  const command = retinopathy(['run', '--chaos', '1', '--out', out, ...TINY_OPTIONS]);
  const { code } = await command.exited;
  const said = command.output();
  expect(code, said).toBe(0);
  const survived = JSON.parse(await readFile(join(out, 'chaos/survived.json'), 'utf8')) as Survived;
  const kinds = new Set(survived.kills.map(({ name }) => name));
  expect(kinds.size).toBe(survived.kills.length);
  // A fast machine is done before more have come.
  expect(kinds.size).toBeGreaterThan(0);
  expect(said).toContain(`Survived ${counted(survived.kills.length, 'kill')}\n`);
  expect(said).toMatch(/✓ same {3}weights +4 of 4 best caffemodels have the same SHA-256/);
  for (const sum of Object.values(survived.sha256)) expect(said).toContain(sum);
  expect(survived.calm.segmentsRepeated).toBe(0);

  const seed = process.env.RETINOPATHY_SEED ?? String(Date.now() % 1_000_000);
  console.log(`RETINOPATHY_SEED=${seed}`);
  const random = new Random(seed);
  // The kills have come over a folder by now; over S3 they come in the long form.
  const harms = process.env.RETINOPATHY_LONG ? HARMS : MISFORTUNES;
  const trouble = { harms, random, every: [500, 3_000] as const, each: 1, report: console.log };
  const harmed = await runOnce(join(folder, 'harmed'), TINY, new AbortController().signal, trouble);
  expect(harmed.harm.size).toBeGreaterThan(1);
  const { run, store } = (await readOutState(out))!;
  const calm = await outcomeOf(await openStore(store), run);
  for (const { what, same, detail } of compareOutcomes(calm, harmed)) expect(same, `${what}: ${detail}`).toBe(true);
}, 600_000);
