/** `npm run chaos`: the demo, calm once and then under constant harm, until the time is up; the results must be the same. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { compareOutcomes } from '../../cli/chaos/outcome.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { duration, table } from '../../lib/format.ts';
import { Random } from '../../lib/random.ts';
import { UserError } from '../../lib/user-error.ts';
import { asCommand } from '../bench/support/as-command.ts';
import { positive } from '../bench/support/numbers.ts';
import { stoppable } from '../bench/support/stoppable.ts';
import { HARMS } from './harm.ts';
import { type RunOutcome, runOnce } from './run.ts';

interface Options {
  minutes: number;
  seed: number;
  small?: boolean;
}

/** Milliseconds between two harms. */
const EVERY = [4_000, 15_000] as const;
/** Of `--small`: goes through every stage in half a minute when it is left alone. */
const SMALL: PartialPipelineInput = {
  synthetic: { patients: 40, seed: 3 },
  images: { size: 64, shardSize: 32 },
  folds: { validation: 0.3, test: 0.3 },
  training: { epochs: 2, batch: 16, segmentsPerEpoch: 2 },
};

async function main(args: readonly string[]): Promise<void> {
  const { minutes, seed, small } = new Command('npm run chaos --')
    .description('the demo under constant harm: kills, a full disk, a store that is away, notices')
    .option('--minutes <n>', 'new runs begin until then', positive, 10)
    .option('--seed <n>', 'of the harm', positive, Date.now() % 1_000_000)
    .option('--small', 'a smaller run than the demo')
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
  await stoppable(signal => run({ minutes, seed, input: small ? SMALL : {} }, signal));
}

async function run(
  { minutes, seed, input }: { minutes: number; seed: number; input: PartialPipelineInput },
  signal: AbortSignal,
): Promise<void> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const folder = await mkdtemp(join(tmpdir(), 'chaos-'));
  try {
    report('a calm run');
    const calm = await runOnce(join(folder, 'calm'), input, signal);
    const random = new Random(seed);
    const until = performance.now() + minutes * 60_000;
    const harmed: RunOutcome[] = [];
    while (harmed.length === 0 || performance.now() < until) {
      report(`run ${harmed.length + 1} under harm (seed ${seed})`);
      const place = join(folder, `harmed-${harmed.length}`);
      harmed.push(await runOnce(place, input, signal, { harms: HARMS, random, every: EVERY, report }));
      await rm(place, { recursive: true, force: true });
    }
    print(calm, harmed);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function print(calm: RunOutcome, harmed: readonly RunOutcome[]): void {
  const kinds = [...new Set(harmed.flatMap(({ harm }) => [...harm.keys()]))].sort();
  const times = (kind: string) => harmed.map(({ harm }) => String(harm.get(kind) ?? 0));
  const runs = harmed.map((_, n) => `run ${n + 1}`);
  const { segmentsTrained } = calm.work;
  const cost = [
    ['time', duration(calm.seconds), ...harmed.map(({ seconds }) => duration(seconds))],
    ['segments trained', ...[calm, ...harmed].map(({ work }) => String(work.segmentsTrained))],
    ['segments begun in vain', ...[calm, ...harmed].map(({ work }) => String(work.segmentsRepeated))],
    ['iterations done twice', ...[calm, ...harmed].map(({ work }) => String(Math.round(work.iterationsLost)))],
    ['processes started again', ...[calm, ...harmed].map(({ restarts }) => String(restarts.length))],
  ];
  const compared = harmed.map(each => compareOutcomes(calm, each));
  const lines = [
    ...table([['survived', ...runs], ...kinds.map(kind => [kind, ...times(kind)])]),
    '',
    ...table([['cost', 'calm', ...runs], ...cost]),
    '',
    ...compared.flatMap((differences, n) =>
      differences.map(
        ({ what, same, detail }) => `run ${n + 1}: ${what} ${same ? 'as in the calm run' : 'DIFFER'} (${detail})`,
      ),
    ),
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
  if (compared.some(differences => differences.some(({ same }) => !same))) {
    throw new UserError(
      `Expected every run to come to what the calm one of ${segmentsTrained} segments came to, got others`,
    );
  }
}

await asCommand(() => main(process.argv.slice(2)));
