/** `retinopathy fork`: starts a run that shares another's work up to an epoch, and trains a split with other settings from there. */
import { join } from 'node:path';
import colors from 'picocolors';
import { readRecord } from '../../activities/run/records.ts';
import { epochSnapshots } from '../../activities/training/epoch-snapshots.ts';
import { readInputs } from '../../activities/training/inputs.ts';
import { filesOf } from '../../config/files.ts';
import { type Fork, forkedInput, trainingAt } from '../../config/forks.ts';
import type { PartialPipelineInput, PipelineInput } from '../../config/input.ts';
import { differences, mergeInputs, parseSetting } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { finishedStage } from '../../inference/trained-run.ts';
import { allowFiles } from '../../lib/allowed-files.ts';
import { counted } from '../../lib/format.ts';
import { asUserError, UserError } from '../../lib/user-error.ts';
import { storeId } from '../../storage/identity.ts';
import { splitLabel, TASK_QUEUE, trainingName } from '../../workflows/ids.ts';
import type { retinopathyPipeline } from '../../workflows/retinopathy-pipeline.ts';
import { copyReport } from '../results/copy-report.ts';
import { type Console, createConsole } from '../ui/console.ts';
import { follow } from '../ui/watch-progress.ts';
import { checkRunId, describe, idTaken, openExecution, resultOf, runId, storedOf } from './pipeline-client.ts';
import { type ChosenRun, chooseRun } from './resolve-run.ts';
import { readOutState } from './run-dir.ts';
import { filesNamed } from './run-options.ts';
import { session } from './session.ts';
import { onTemporalService } from './temporal-service.ts';

interface ForkRequest {
  /** 0–3 */
  split: number;
  fromEpoch: number;
  /** `training.baseRate=0.001` */
  set: string[];
}

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
 * Forks a run. For an out folder: runs or resumes the fork on this machine, and copies its report into a subfolder. For a workflow
 * id: starts the fork on the Temporal service of the environment.
 * @returns the exit status; @throws UserError
 */
export async function fork(name: string, options: ForkOptions): Promise<number> {
  const screen = createConsole();
  const chosen = await chooseRun({ ...options, run: name });
  const input = await asUserError(() => inputOfFork(chosen, options));
  const again = await epochsToTrainAgain(chosen, options);
  if (again.epochs > 0 && !options.trainAgain) throw notKept(chosen.run, options, again);
  const plan = { run: checkRunId(options.name ?? `${chosen.run}-${runId(input).split('-').at(-1)}`), input };
  const before = await readRecord(chosen.store, plan.run);
  if (before && differences(before.input, input).length > 0) {
    throw new UserError(`Expected --name ${plan.run} to be new, got a run of another input: take another`);
  }
  const onThisMachine = (await readOutState(name)) !== undefined;
  return onThisMachine ? runHere(screen, chosen, plan, name, options) : startThere(screen, chosen, plan, options);
}

/** Returns the input of the fork. Training settings of `--set` belong to the fork, all others to the whole run. */
function inputOfFork({ run, record }: ChosenRun, request: ForkRequest): PipelineInput {
  const { training = {}, ...rest } = request.set
    .map(parseSetting)
    .reduce<PartialPipelineInput>((all, setting) => mergeInputs(all, setting), {});
  const fork: Fork = { run, split: request.split, epoch: request.fromEpoch, set: training as Fork['set'] };
  return resolveInput(forkedInput(record.input, { ...rest, training: { forks: [fork] } }));
}

/**
 * Returns the epochs of the split to train again for the fork; 0 where the snapshot is in the store.
 * @throws UserError when the run has not reached that epoch
 */
async function epochsToTrainAgain(chosen: ChosenRun, { split, fromEpoch }: ForkRequest): Promise<EpochsAgain> {
  const { run, store, record } = chosen;
  const { training, images } = record.input;
  const heads = training.layout === 'four-heads' ? [0, 1, 2, 3] : [split];
  const name = trainingName(heads);
  const args = { run, name, heads, label: finishedStage(record, 'label'), training, images };
  const inputs = await readInputs({ store, env: allowFiles(process.env, filesOf(record.input)) }, args);
  const { epochs } = trainingAt(training, heads, Number.POSITIVE_INFINITY);
  const snapshots = await epochSnapshots(store, inputs, args, epochs);
  const trained = snapshots.findIndex(snapshot => !snapshot.trained);
  const at = snapshots[fromEpoch - 1];
  if (!at?.trained) {
    throw new UserError(
      `Expected --from-epoch to be one that run ${run} has trained split ${splitLabel(split)} to, got ${fromEpoch}: it has ${counted(trained < 0 ? epochs : trained, 'epoch')}`,
    );
  }
  const kept = snapshots.filter(snapshot => snapshot.kept).map(({ epoch }) => epoch);
  return { epochs: fromEpoch - (kept.findLast(epoch => epoch <= fromEpoch) ?? 0), kept };
}

interface EpochsAgain {
  epochs: number;
  /** Epochs whose snapshots are in the store. */
  kept: number[];
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
  return onTemporalService(async client => {
    const before = await describe(client, run);
    const status = before?.status;
    if (before && status === 'RUNNING' && before.type !== 'retinopathyPipeline') throw idTaken(run, before.type);
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
  });
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
    const embedded = await session.start({
      ...{ store, port: options.port, uiPort: options.uiPort },
      files: await filesNamed(plan.input),
    });
    const { client, code } = embedded;
    const at = { ...plan, store: await storeId(artifacts), code };
    const stored = await storedOf(artifacts, plan.run);
    const { handle, notes } = await session.race(openExecution(client, at, stored));
    for (const note of notes) screen.line(colors.yellow(`  ${note}`));
    screen.line(`  ${colors.bold(plan.run)}: ${summaryOf(from, options)}`);
    screen.line(`  Web UI  ${colors.cyan(`${embedded.uiUrl}/namespaces/default/workflows/${plan.run}`)}\n`);
    const followed = session.beside(follow({ client, handle, run: plan.run, screen, out: out.path, signal }));
    await session.race(Promise.race([embedded.broken, followed]));
    const { report } = await session.race(resultOf(handle));
    if (report !== null) {
      const to = join(out.path, plan.run);
      await copyReport(artifacts, plan.run, to);
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
