/** `retinopathy run --chaos`: the run with its processes killed on the way, beside a calm run of the same input. */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { KILLS } from '../chaos/kills.ts';
import { compareOutcomes, type Difference, type Outcome, outcomeOf } from '../chaos/outcome.ts';
import { type Strike, strike } from '../chaos/strike.ts';
import { STAGES } from '../config/stages.ts';
import { Random } from '../demo/random.ts';
import { openStore } from '../storage/open.ts';
import type { Progress } from '../workflows/progress.ts';
import { chaosFolder } from './chaos-folder.ts';
import { backLine, killedLine, killLines, survivedLines } from './chaos-view.ts';
import { readOutState } from './out-folder.ts';
import { type Attack, run } from './run.ts';
import { inputOf, type RunOptions } from './run-options.ts';
import { UserError } from './user-error.ts';

/** How often each process is killed unless asked otherwise. */
const TIMES = 2;
/** Milliseconds between two kills: enough for a segment of a small run to end now and then. */
const EVERY = [3_000, 9_000] as const;

/** What `<out>/chaos/survived.json` says. */
export interface Survived {
  kills: readonly Strike[];
  harmed: Outcome['work'];
  calm: Outcome['work'];
  compared: Difference[];
  /** Of the weights of the harmed run's best epochs, by training. */
  sha256: Record<string, string>;
}

/**
 * Runs the input in `<out>/chaos` while it kills the processes of that run, then calmly in `<out>` unless that is finished, and compares.
 * @returns the exit status: 1 where they came to different results
 * @throws UserError
 */
export async function chaos(options: RunOptions): Promise<number> {
  if (options.keep) throw new UserError('Expected --chaos without --keep: its two runs end by themselves, got both', 2);
  const input = await inputOf(options);
  if (input.until !== 'regress') {
    throw new UserError(`Expected --chaos to run to the end, got until ${input.until}: leave that out`, 2);
  }
  const folder = await chaosFolder(join(resolve(options.out), 'chaos'), input);
  const { store: _, fresh: __, chaos: times = TIMES, ...rest } = options;
  const attack = createAttack(folder, times === true ? TIMES : times);
  const attacked = await run({ ...rest, out: folder.path, keep: false }, { attack, brief: true });
  if (attacked !== 0) return attacked;
  process.stdout.write('\n  The same again, left alone\n\n');
  const left = await run({ ...options, keep: false }, { brief: true });
  if (left !== 0) return left;

  const [harmed, calm] = await Promise.all([outcomeIn(folder.path), outcomeIn(options.out)]);
  const compared = compareOutcomes(calm, harmed);
  const survived: Survived = {
    ...{ kills: folder.kills, harmed: harmed.work, calm: calm.work, compared },
    sha256: Object.fromEntries(harmed.best),
  };
  process.stdout.write(`\n${survivedLines(survived).join('\n')}\n`);
  await writeFile(folder.survived, `${JSON.stringify(survived, null, 2)}\n`);
  return compared.every(({ same }) => same) ? 0 : 1;
}

function createAttack(folder: Awaited<ReturnType<typeof chaosFolder>>, times: number): Attack {
  let seen: Progress | undefined;
  let trained = 0;
  /** Epochs, over all splits, between two kills. */
  const apart = () => Math.floor((seen?.stages.train.of ?? 0) / (KILLS.length * times));
  const began = () => seen?.stages.download.startedAt ?? Date.now();
  return {
    see(progress) {
      seen = progress;
    },
    lines: () => killLines(folder.kills, began(), Date.now()),
    on(embedded, screen, signal) {
      const say = (line: string) => !screen.terminal && screen.line(`  ${line}`);
      return strike(
        { embedded },
        KILLS,
        {
          random: new Random(Date.now()),
          every: EVERY,
          each: times,
          // Half of them are for the training, which has the most to lose.
          share: () => ((seen?.stages.train.state ?? 'waiting') === 'waiting' ? 0.5 : 1),
          // So that the training's are spread over all of it, however fast it is.
          due: () => seen?.stages.train.state !== 'running' || seen.stages.train.done - trained >= apart(),
          stage: () => STAGES.find(stage => seen?.stages[stage].state === 'running'),
          onStrike(kill) {
            trained = seen?.stages.train.done ?? 0;
            folder.remember(kill);
            say(killedLine(kill));
          },
          onOver(kill) {
            folder.remember(kill);
            say(backLine(kill));
          },
        },
        signal,
      );
    },
  };
}

async function outcomeIn(out: string): Promise<Outcome> {
  const { run, store } = (await readOutState(out))!;
  return outcomeOf(await openStore(store), run);
}
