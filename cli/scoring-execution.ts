/** Starts a scoring, finds a running one again, or replaces it when what is asked for has changed; and shows it until it ends. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { type Client, WorkflowFailedError, type WorkflowHandle, WorkflowNotFoundError } from '@temporalio/client';
import { TASK_QUEUE } from '../workflows/names.ts';
import type { ScoreArchiveArgs, ScoreArchiveResult, scoreArchive } from '../workflows/score-archive.ts';
import { SCORING_STEPS, type ScoringProgress } from '../workflows/scoring-progress.ts';
import type { Console } from './console.ts';
import { statedMessage } from './execution.ts';
import { bar, whole } from './format.ts';

export type ScoringHandle = WorkflowHandle<typeof scoreArchive>;

/** What an execution remembers of what it was started for. */
export interface ScoringPlan {
  request: ScoreArchiveArgs;
  store: string;
  /** Hash of the workflows' code. */
  code: string;
}

const EVERY_MS = 500;
const CALL_MS = 3_000;
/** Of lines in a log file. */
const QUIET_MS = 20_000;

export async function openScoring(client: Client, id: string, plan: ScoringPlan): Promise<ScoringHandle> {
  const handle = client.workflow.getHandle<typeof scoreArchive>(id);
  const before = await handle.describe().catch(error => {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  });
  if (before?.status.name === 'RUNNING') {
    if (isDeepStrictEqual(before.memo, plan)) return handle;
    await handle.terminate('something else is asked for, or the code of the workflows has changed');
    await childrenEnded(client, id);
  }
  return client.workflow.start<typeof scoreArchive>('scoreArchive', {
    workflowId: id,
    taskQueue: TASK_QUEUE,
    args: [plan.request],
    memo: { ...plan },
    staticSummary: `Scores an archive by the networks of ${plan.request.run}`,
  });
}

/** Shows the scoring, and gives its result. @throws Error with the stated failure's message */
export async function followScoring(
  client: Client,
  handle: ScoringHandle,
  screen: Console,
  signal: AbortSignal,
): Promise<ScoreArchiveResult> {
  const ended = handle.result().catch(error => {
    throw error instanceof WorkflowFailedError ? new Error(statedMessage(error)) : error;
  });
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
        // What has ended at once, what goes on now and then.
        if (told.has(line) || !(line.includes('✓') || (line.includes('●') && Date.now() - toldAt >= QUIET_MS)))
          continue;
        told.add(line);
        toldAt = Date.now();
        screen.line(line);
      }
    }
    if (last) break;
    await Promise.race([sleep(EVERY_MS), ended.catch(() => {})]);
  }
  screen.settle();
  return ended;
}

/** A line a step. Pure. */
export function scoringLines({ steps }: ScoringProgress): string[] {
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

/** Children are ended by the server after their parent; a new parent cannot start ones of the same id before. */
async function childrenEnded(client: Client, id: string): Promise<void> {
  for (const child of [`${id}/download`, `${id}/prepare`]) {
    const runs = async () => {
      const described = await client.workflow
        .getHandle(child)
        .describe()
        .catch(() => undefined);
      return described?.status.name === 'RUNNING';
    };
    while (await runs()) await sleep(200);
  }
}
