/** `retinopathy score`: scores an archive without grades by the networks of a finished run, and writes a submission. */
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Client, WorkflowHandle } from '@temporalio/client';
import colors from 'picocolors';
import { readRecord } from '../../activities/run/records.ts';
import { inputForScoring } from '../../config/archive-to-score.ts';
import { resolveInput } from '../../config/resolve.ts';
import { bar, whole } from '../../lib/format.ts';
import { asUserError, UserError } from '../../lib/user-error.ts';
import { storeId } from '../../storage/identity.ts';
import { openStore } from '../../storage/open.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import { SCORING_STEPS, type ScoringProgress } from '../../workflows/progress.ts';
import type { ScoreArchiveArgs, ScoreArchiveResult, scoreArchive } from '../../workflows/score-archive.ts';
import { copyReport } from '../results/copy-report.ts';
import { type Console, createConsole } from '../ui/console.ts';
import { CALL_MS } from '../ui/pending-activities.ts';
import { ignoredFiles } from '../ui/summary.ts';
import { checkRunId, describe, idTaken, resultOf, untilEnded } from './pipeline-client.ts';
import { checkSource } from './preflight.ts';
import { checkStore, chooseStore, openStoreOf } from './resolve-store.ts';
import { readOutState } from './run-dir.ts';
import { filesNamed, sourceOf } from './run-options.ts';
import { session } from './session.ts';
import { doesNotFit, findStuck } from './workflow-task.ts';

export interface ScoreOptions {
  run?: string;
  out: string;
  source?: string;
  store?: string;
  parts?: number;
  maxQuarantined?: number;
  port?: number;
  uiPort?: number;
}

/**
 * Scores the archive on this machine, or resumes its scoring, and writes `<out>/<archive>/submission.csv`.
 * @param archive `test.zip`
 * @returns the exit status; @throws UserError
 */
export async function score(archive: string, options: ScoreOptions): Promise<number> {
  const screen = createConsole();
  const last = await readOutState(resolve(options.out));
  const run = options.run ?? last?.run;
  if (run === undefined || (last === undefined && options.store === undefined)) {
    throw new UserError(
      `Expected --out ${resolve(options.out)} to be the folder of a run, got none: name it, or give --run and --store`,
    );
  }
  const name = archive.replace(/(\.zip)?$/, '');
  const request: ScoreArchiveArgs = {
    run,
    archive: { name: `${name}.zip`, ...(options.parts !== undefined && { parts: options.parts }) },
    ...(options.source !== undefined && { source: await sourceOf(options.source) }),
    ...(options.maxQuarantined !== undefined && { maxQuarantined: options.maxQuarantined }),
  };
  const id = checkRunId(`${run}-${name}`);
  const store = await chooseStore(options, { path: resolve(options.out) }, last);
  const artifacts = last?.store === store ? await openStoreOf(last) : await openStore(store);
  const record = await readRecord(artifacts, run);
  if (!record?.stages.regress?.finished) {
    throw new UserError(
      `Expected run ${run} in ${store} to be finished, got ${record ? 'one that is not' : 'none'}: let it come to its end first`,
    );
  }
  const input = await asUserError(() => resolveInput(inputForScoring(record.input, request)));
  await checkSource(input);

  return session({ screen, folder: options.out }, async session => {
    await session.race(checkStore(artifacts));
    const embedded = await session.start({
      ...{ store, port: options.port, uiPort: options.uiPort },
      files: await filesNamed(input),
    });
    const { client, code } = embedded;
    const plan = { request, store: await storeId(artifacts), code };
    const handle = await session.race(openScoring(client, id, plan));
    screen.line(`  ${colors.bold(`${name}.zip`)} by the networks of ${run}`);
    screen.line(`  Web UI  ${colors.cyan(`${embedded.uiUrl}/namespaces/default/workflows/${id}`)}\n`);
    const followed = session.beside(followScoring(client, handle, screen, session.signal));
    const { counts } = await session.race(Promise.race([embedded.broken, followed]));
    const to = join(session.out.path, name);
    await copyReport(artifacts, id, to);
    for (const line of submissionLines(counts)) screen.line(line);
    screen.line(`\n  ${colors.cyan(join(to, 'submission.csv'))}`);
    screen.line(`  Hand it in: retinopathy submit ${join(to, 'submission.csv')} --message '…'`);
    return 0;
  });
}

type ScoringHandle = WorkflowHandle<typeof scoreArchive>;

/** Memo of an execution: the plan that it was started for. */
interface ScoringPlan {
  request: ScoreArchiveArgs;
  /** Id of the store. */
  store: string;
  /** Hash of the workflows' code. */
  code: string;
}

const EVERY_MS = 500;
/** Interval of the progress lines in a log file. */
const QUIET_MS = 20_000;

export async function openScoring(client: Client, id: string, plan: ScoringPlan): Promise<ScoringHandle> {
  const handle = client.workflow.getHandle<typeof scoreArchive>(id);
  const before = await describe(client, id);
  if (before?.status === 'RUNNING') {
    if (before.type !== 'scoreArchive') throw idTaken(id, before.type);
    if (isDeepStrictEqual(before.memo, plan) && !(await findStuck(client, withChildren(id)))) return handle;
    await handle.terminate('something else is asked for, or the code of the workflows has changed');
    await untilEnded(client, withChildren(id).slice(1));
  }
  return client.workflow.start<typeof scoreArchive>('scoreArchive', {
    workflowId: id,
    taskQueue: TASK_QUEUE,
    args: [plan.request],
    memo: { ...plan },
    staticSummary: `Scores an archive by the networks of ${plan.request.run}`,
  });
}

const withChildren = (id: string) => [id, `${id}/download`, `${id}/prepare`];

/** Displays the scoring and returns its result. @throws Error with the failure's message, or when its history does not fit the code */
export async function followScoring(
  client: Client,
  handle: ScoringHandle,
  screen: Console,
  signal: AbortSignal,
): Promise<ScoreArchiveResult> {
  const ended = resultOf(handle);
  let over = false;
  ended.then(
    () => (over = true),
    () => (over = true),
  );
  const told = new Set<string>();
  let toldAt = Date.now();
  while (!signal.aborted) {
    const last = over;
    const ask = () => handle.query<ScoringProgress, []>('progress');
    const progress = await client.withDeadline(Date.now() + CALL_MS, ask).catch(() => undefined);
    if (progress) {
      const lines = scoringLines(progress);
      screen.picture(lines);
      for (const line of screen.terminal ? [] : lines) {
        // Prints a finished step at once, and a running one now and then.
        if (told.has(line) || !(line.includes('✓') || (line.includes('●') && Date.now() - toldAt >= QUIET_MS)))
          continue;
        told.add(line);
        toldAt = Date.now();
        screen.line(line);
      }
    }
    if (last) break;
    const look = () => findStuck(client, withChildren(handle.workflowId));
    const stuck = await client.withDeadline(Date.now() + CALL_MS, look).catch(() => undefined);
    if (stuck !== undefined) throw doesNotFit(stuck);
    await Promise.race([sleep(EVERY_MS), ended.catch(() => {})]);
  }
  screen.settle();
  return ended;
}

/** Returns a line for each step. */
function scoringLines({ steps }: ScoringProgress): string[] {
  return SCORING_STEPS.map(step => {
    const { state, done, of, unit, reason } = steps[step];
    const name = step.padEnd(9);
    if (state === 'running') {
      return of > 0
        ? `  ● ${name} ${bar(done / of, 24)} ${whole(done)}/${whole(of)} ${unit}`
        : `  ● ${name} ${reason || 'starting'}`;
    }
    if (state === 'waiting') return `  ○ ${name} waiting`;
    return `  ✓ ${name} ${state === 'reused' ? 'made before' : 'done'}`;
  });
}

/** Returns the summary of the submission, with the quarantined images that the networks could not score. */
function submissionLines(counts: Record<string, number>): string[] {
  const n = (key: string) => counts[key] ?? 0;
  const stages = [0, 1, 2, 3, 4].map(stage => `${stage}: ${whole(n(`stage${stage}`))}`).join('  ');
  const lines = [`\n  ${whole(n('pictures'))} pictures scored. Stages  ${stages}`];
  if (n('quarantined') > 0) {
    lines.push(
      `  ${whole(n('quarantined'))} set aside: ${whole(n('byFellow'))} got their fellow eye's stage, ${whole(n('byMajority'))} the most frequent one`,
    );
  }
  if (n('ignored') > 0) lines.push(`  ${ignoredFiles(n('ignored'))}`);
  return lines;
}
