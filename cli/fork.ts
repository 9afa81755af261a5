/** `retinopathy fork`: a run that shares all with another up to an epoch of a split, and trains that with other settings. */
import { join } from 'node:path';
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client';
import colors from 'picocolors';
import { readRecord } from '../activities/run/records.ts';
import { differences } from '../config/differences.ts';
import type { PipelineInput } from '../config/input.ts';
import { temporalService, unreachable } from '../workers/connection.ts';
import { splitLabel, TASK_QUEUE } from '../workflows/names.ts';
import type { retinopathyPipeline } from '../workflows/retinopathy-pipeline.ts';
import { type ChosenRun, chooseRun } from './choose-run.ts';
import { type Console, createConsole } from './console.ts';
import { copyReport } from './copy-report.ts';
import { openExecution, resultOf, runId, workflowCode } from './execution.ts';
import { follow } from './follow.ts';
import { type EpochsAgain, epochsToTrainAgain, type ForkRequest, inputOfFork } from './fork-plan.ts';
import { counted } from './format.ts';
import { readOutState } from './out-folder.ts';
import { session } from './session.ts';
import { UserError } from './user-error.ts';

export interface ForkOptions extends ForkRequest {
  name?: string;
  trainAgain?: boolean;
  store?: string;
  out: string;
  port?: number;
  uiPort?: number;
}

interface ForkPlan {
  /** Id of the new run. */
  run: string;
  input: PipelineInput;
}

/**
 * Of an out folder: runs the fork on this machine, or goes on with it, and copies its report into a folder of it. Of a workflow id: starts it
 * on the Temporal service of the environment.
 * @returns the exit status; @throws UserError
 */
export async function fork(name: string, options: ForkOptions): Promise<number> {
  const screen = createConsole();
  const chosen = await chooseRun({ ...options, run: name });
  const input = inputOfFork(chosen, options);
  const again = await epochsToTrainAgain(chosen, options);
  if (again.epochs > 0 && !options.trainAgain) throw notKept(chosen.run, options, again);
  const plan = { run: options.name ?? `${chosen.run}-${runId(input).split('-').at(-1)}`, input };
  const before = await readRecord(chosen.store, plan.run);
  if (before && differences(before.input, input).length > 0) {
    throw new UserError(`Expected --name ${plan.run} to be new, got a run of another input: take another`);
  }
  const onThisMachine = (await readOutState(name)) !== undefined;
  return onThisMachine ? runHere(screen, chosen, plan, name, options) : startThere(screen, chosen, plan, options);
}

function notKept(run: string, { split, fromEpoch }: ForkRequest, { epochs, kept }: EpochsAgain): UserError {
  const instead = kept.length > 0 ? `fork epoch ${kept.join(', ').replace(/, (\d+)$/, ' or $1')}, or ` : '';
  return new UserError(
    `Expected the snapshot of split ${splitLabel(split)} of run ${run} after epoch ${fromEpoch} in the store, got one that was removed (kept are the last two and the best): ${instead}give --train-again to train ${counted(epochs, 'epoch')} again first`,
  );
}

async function startThere(
  screen: Console,
  { run: from, store }: ChosenRun,
  { run, input }: ForkPlan,
  request: ForkRequest,
): Promise<number> {
  const service = temporalService(process.env);
  const connection = await Connection.connect(service.connectionOptions).catch(error => {
    throw new UserError(unreachable(service, error).message);
  });
  try {
    const client = new Client({ connection, namespace: service.namespace });
    const status = await client.workflow
      .getHandle(run)
      .describe()
      .then(
        ({ status }) => status.name,
        error => {
          if (error instanceof WorkflowNotFoundError) return undefined;
          throw error;
        },
      );
    const there = status === 'RUNNING' || status === 'COMPLETED';
    if (!there) {
      await client.workflow.start<typeof retinopathyPipeline>('retinopathyPipeline', {
        ...{ workflowId: run, taskQueue: TASK_QUEUE, args: [input] },
        staticSummary: summaryOf(from, request),
      });
    }
    const how = status === 'RUNNING' ? 'Running:' : there ? 'Finished before:' : 'Started';
    screen.line(`  ${how} ${colors.bold(run)}`);
    screen.line(`  Watch it:   retinopathy watch ${run}`);
    screen.line(`  Compare:    ${comparison(from, run, store.url)}`);
    return 0;
  } finally {
    await connection.close();
  }
}

async function runHere(
  screen: Console,
  { run: from, store: artifacts }: ChosenRun,
  plan: ForkPlan,
  folder: string,
  options: ForkOptions,
): Promise<number> {
  return session({ screen, folder }, async session => {
    const { out, signal } = session;
    const store = artifacts.url;
    const embedded = await session.start({ store, port: options.port, uiPort: options.uiPort });
    const { client } = embedded;
    const code = await workflowCode();
    const { handle, notes } = await session.race(openExecution(client, { ...plan, store, code }));
    for (const note of notes) screen.line(colors.yellow(`  ${note}`));
    screen.line(`  ${colors.bold(plan.run)}: ${summaryOf(from, options)}`);
    screen.line(`  Web UI  ${colors.cyan(`${embedded.uiUrl}/namespaces/default/workflows/${plan.run}`)}\n`);
    const followed = session.beside(follow({ client, handle, run: plan.run, screen, out: out.path, signal }));
    await session.race(Promise.race([embedded.broken, followed]));
    const { report } = await session.race(resultOf(handle));
    if (report !== null) {
      const to = join(out.path, plan.run);
      await copyReport(artifacts, report, to);
      screen.line(`\n  Report   ${colors.cyan(join(to, 'report.html'))}`);
      screen.line(`  Compare  ${comparison(from, plan.run, store)}`);
    }
    return 0;
  });
}

function summaryOf(from: string, { split, fromEpoch, set }: ForkRequest): string {
  return `${from} with ${set.join(', ')} in split ${splitLabel(split)} after epoch ${fromEpoch}`;
}

function comparison(from: string, run: string, store: string): string {
  return `retinopathy compare ${from} ${run} --store ${store}`;
}
