/** `retinopathy run --chaos`: a run whose processes are killed, and a baseline run of the same input. */
import { appendFileSync, existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import type { PipelineInput } from '../../config/input.ts';
import { STAGES } from '../../config/stages.ts';
import { parseJson } from '../../lib/json.ts';
import { Random } from '../../lib/random.ts';
import { UserError } from '../../lib/user-error.ts';
import type { Progress } from '../../workflows/progress.ts';
import { runId } from '../local/pipeline-client.ts';
import { openStoreOf } from '../local/resolve-store.ts';
import { type Attack, run } from '../local/run.ts';
import { openOutFolder, readOutState } from '../local/run-dir.ts';
import { inputOf, type RunOptions } from '../local/run-options.ts';
import { KILLS } from './kills.ts';
import { compareOutcomes, type Difference, type Outcome, outcomeOf } from './outcome.ts';
import { type Strike, strike } from './strike.ts';
import { backLine, killedLine, killLines, survivedLines } from './view.ts';

/** Default number of kills of each process. */
const TIMES = 2;
/** Milliseconds between two kills, long enough for a segment of a small run to end now and then. */
const EVERY = [3_000, 9_000] as const;

/** Content of `<out>/chaos/survived.json`. */
export interface Survived {
  kills: readonly Strike[];
  harmed: Outcome['work'];
  calm: Outcome['work'];
  compared: Difference[];
  /** SHA-256 of the weights at the best epochs of the run with faults, by training. */
  sha256: Record<string, string>;
}

/**
 * Runs the input in `<out>/chaos` while it kills the processes of that run. Then makes the baseline run in `<out>`, unless that is
 * finished, and compares both.
 * @returns the exit status: 1 when the results differ
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

function createAttack(folder: ChaosFolder, times: number): Attack {
  let seen: Progress | undefined;
  let trained = 0;
  /** Returns the number of epochs, over all splits, between two kills. */
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
          // Half of the kills wait for the training, which has the most to lose.
          share: () => ((seen?.stages.train.state ?? 'waiting') === 'waiting' ? 0.5 : 1),
          // Spreads the kills over the whole training, however fast it is.
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
  const state = (await readOutState(out))!;
  return outcomeOf(await openStoreOf(state), state.run);
}

const strikeInFile = z.object({
  name: z.string(),
  pids: z.array(z.number()),
  at: z.number(),
  away: z.number().nullable(),
}) satisfies z.ZodType<Strike>;

interface ChaosFolder {
  path: string;
  /** File of the final result, written when both runs are compared. */
  survived: string;
  /** Kills in the order in which they happened. */
  kills: Strike[];
  /** Stores a kill that is new, or from which the run has just recovered. */
  remember(kill: Strike): void;
}

/**
 * Opens the folder of a run with faults, to resume one that was stopped. One that has ended, or had another input, is removed first.
 * Removes only files of runs and of this command, and only where a run has written its state: the folder may hold other files.
 */
export async function chaosFolder(path: string, input: PipelineInput): Promise<ChaosFolder> {
  const survived = join(path, 'survived.json');
  const log = join(path, 'kills.jsonl');
  const out = await openOutFolder(path);
  try {
    const state = await out.readState();
    if (state && (existsSync(survived) || state.run !== runId(input))) {
      for (const file of [survived, log]) await rm(file, { force: true });
      await out.clear();
    }
  } finally {
    out.release();
  }
  const kills = parseKills(await readFile(log, 'utf8').catch(() => ''), log);
  return {
    ...{ path, survived, kills },
    remember(kill) {
      if (!kills.includes(kill)) kills.push(kill);
      appendFileSync(log, `${JSON.stringify(kill)}\n`);
    },
  };
}

/** Parses the log of kills. The last line of each kill counts, and a line without an end is ignored. @throws UserError */
function parseKills(text: string, file: string): Strike[] {
  const all = text
    .split('\n')
    .slice(0, -1)
    .map((line, i) => {
      const parsed = strikeInFile.safeParse(parseJson(line));
      if (parsed.success) return parsed.data;
      throw new UserError(`Expected line ${i + 1} of ${file} to be a kill, got something else: remove the file`);
    });
  return [...new Map(all.map(kill => [`${kill.at} ${kill.name}`, kill])).values()];
}
