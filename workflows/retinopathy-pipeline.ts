/** Runs the five stages, each a child workflow. Answers `progress`; accepts pause, resume, stopEarly, extend and raiseBudget. */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  setCurrentDetails,
  TemporalFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { z } from 'zod';
import { trainingAt } from '../config/forks.ts';
import type { PartialPipelineInput, PipelineInput } from '../config/input.ts';
import { STAGES, type Stage } from '../config/stages.ts';
import { layoutsOf } from '../config/training.ts';
import { runActivities } from './activities.ts';
import { Budget } from './budget.ts';
import { downloadArchive } from './download-archive.ts';
import { argumentOf, onQuery, onSignal } from './handlers.ts';
import { splitLabel, trainingName } from './ids.ts';
import { labelSplits } from './label-splits.ts';
import { prepareImages } from './prepare-images.ts';
import { initialProgress, noteRetry, type ProgressMessage, progressDetails } from './progress.ts';
import { mergeCurve, ProgressPage } from './progress-page.ts';
import { accountOf, regressStage } from './regress-stage.ts';
import { Repairs } from './repairs.ts';
import { type Children, Steering } from './run-control.ts';
import { atEnd, atStage } from './search-attributes.ts';
import * as signals from './signals.ts';
import type { StageResult } from './stage.ts';
import { startOwnChild } from './stage.ts';
import { checkRunId, type Located, type Upstream } from './stage-input.ts';
import { trainNetwork } from './train-network.ts';

export interface PipelineResult {
  run: string;
  /** Stage keys by their name in run.json. */
  stages: Upstream;
  /** `runs/<run>/report/` in the store; null when the run stopped before it. */
  report: string | null;
  /** Metrics of the last stage: `qwk`, `auc0` … `auc3`. */
  figures: Record<string, number>;
}

/** Runs the demo on synthetic eyes if no input is given. */
export async function retinopathyPipeline(given: PartialPipelineInput = {}): Promise<PipelineResult> {
  const run = workflowInfo().workflowId;
  checkRunId(run);
  // An activity validates the fields, because it knows the values that they override.
  const input = argumentOf<PartialPipelineInput>(z.looseObject({}), given);
  const pipeline = new Pipeline(run);
  const resolved = await runActivities.resolveInput.executeWithOptions({ summary: 'check the input' }, [
    { run, input },
  ]);
  return pipeline.run(resolved.input, resolved.searchAttributes === true);
}

const DATA_STAGES = {
  download: ['five parts, in parallel', downloadArchive],
  prepare: ['unzip + augment', prepareImages],
  label: ['folds, lists, databases', labelSplits],
} as const;

class Pipeline {
  private readonly id: string;
  private readonly progress;
  private readonly steering: Steering;
  private readonly budget: Budget;
  private readonly children: Children = new Map();
  private readonly upstream: Upstream = {};
  private readonly repairs = new Repairs(this.upstream, (child, reason) => this.showRepair(child, reason));
  private readonly results = new Map<string, StageResult>();
  /** Number of epochs by split, as planned and steered. */
  private readonly epochs = new Map<number, number>();
  private report: string | null = null;
  private page: ProgressPage | null = null;
  private searchable = false;

  constructor(id: string) {
    this.id = id;
    this.progress = initialProgress(id, STAGES);
    onQuery(signals.progressQuery, () => this.progress, 'Stage, splits, rates: for machines');
    this.steering = new Steering(this.progress, this.children, () => {
      this.show();
      this.page?.renew();
    });
    this.budget = new Budget(this.progress, this.steering);
    // Registered last: signals sent before the first task are handled immediately on registration.
    onSignal(signals.progressSignal, message => this.take(message));
    onSignal(signals.retryingSignal, retry => {
      noteRetry(this.progress, retry);
      this.show();
    });
  }

  async run(input: PipelineInput, searchable: boolean): Promise<PipelineResult> {
    this.searchable = searchable;
    this.progress.source = input.source;
    this.steering.begin(input);
    if (input.budget) this.progress.budget = { ...input.budget, spent: 0, waiting: [] };
    const stop = STAGES.indexOf(input.until);
    for (const stage of STAGES.slice(stop + 1)) this.progress.stages[stage].state = 'skipped';
    this.show();
    this.page = new ProgressPage(() => this.progress);

    try {
      for (const stage of STAGES.slice(0, stop + 1)) {
        await condition(() => !this.steering.paused());
        await this.stage(stage, input);
      }
    } catch (error) {
      await this.page?.end('failed', reasonOf(error));
      throw error;
    }
    this.progress.state = 'finished';
    this.show();
    if (this.report === null) await this.page?.end('finished', null);
    if (this.searchable) upsertSearchAttributes(atEnd(this.progress.stages.regress.counts));
    await condition(allHandlersFinished);
    return {
      run: this.id,
      stages: this.upstream,
      report: this.report,
      figures: this.progress.stages[input.until].counts,
    };
  }

  private async stage(stage: Stage, input: PipelineInput): Promise<void> {
    const place = { run: this.id, input, upstream: this.upstream };
    const shown = this.progress.stages[stage];
    shown.state = 'running';
    shown.startedAt = Date.now();
    this.show();
    if (this.searchable) upsertSearchAttributes(atStage(input.source, stage));
    this.page?.renew();
    const results = await this.start(stage, place);
    shown.endedAt = Date.now();
    this.progress.retries = [];
    shown.state = results.every(result => result.reused) ? 'reused' : 'done';
    if (stage !== 'train') shown.counts = results[0]?.counts ?? {};
    shown.done = shown.of;
    this.show();
  }

  private async start(stage: Stage, place: Located): Promise<StageResult[]> {
    if (stage === 'train') return this.train(place);
    if (stage === 'regress') return [await this.regress(place)];
    const [summary, workflow] = DATA_STAGES[stage];
    return [await this.child(stage, summary, workflow, place)];
  }

  private async train(place: Located): Promise<StageResult[]> {
    const { training } = place.input;
    const layouts = layoutsOf(training);
    for (const heads of layouts)
      for (const k of heads) this.epochs.set(k, trainingAt(training, heads, Number.POSITIVE_INFINITY).epochs);
    this.countEpochs();
    this.budget.begin(layouts.map(trainingName));
    return Promise.all(
      layouts.map(async heads => {
        const name = trainingName(heads);
        const summary = heads.length === 1 ? `split ${splitLabel(heads[0]!)}` : 'one network, four heads';
        const result = await this.child(name, summary, trainNetwork, {
          ...{ ...place, heads },
          ...(place.input.budget && { budgeted: true }),
        });
        await this.take({ kind: 'splits', name, splits: result.splits, cost: { spent: result.spent, next: 0 } });
        return result;
      }),
    );
  }

  private async regress(place: Located): Promise<StageResult> {
    // A late page must not overwrite the report.
    await this.page?.close();
    const account = accountOf(this.progress.splits, this.results);
    const result = await this.child('regress', 'regression and report', regressStage, { ...place, account });
    this.report = result.report;
    return result;
  }

  /** Runs a child under the id `<run>/<name>` and notes its key. */
  private child<Args, Result extends StageResult>(
    name: string,
    summary: string,
    workflow: (args: Args) => Promise<Result>,
    args: Args,
  ): Promise<Result> {
    return this.repairs.run(name, async () => {
      const handle = await startOwnChild<(args: Args) => Promise<Result>>(workflow, {
        workflowId: `${this.id}/${name}`,
        staticSummary: summary,
        args: [args],
      });
      this.children.set(name, handle);
      await this.steering.brief(name, handle);
      try {
        const result = await handle.result();
        this.upstream[name] = result.key;
        this.results.set(name, result);
        return result;
      } finally {
        this.children.delete(name);
      }
    });
  }

  private async take(message: ProgressMessage): Promise<void> {
    if (message.kind === 'stage') {
      Object.assign(this.progress.stages[message.stage], message.progress);
      return this.show();
    }
    const { name, splits, cost } = message;
    const known = new Map(this.progress.splits.map(split => [split.k, split]));
    for (const split of splits) {
      known.set(split.k, { ...split, curve: mergeCurve(known.get(split.k)?.curve ?? [], split.curve) });
      this.epochs.set(split.k, split.epochs);
    }
    this.progress.splits = [...known.values()].sort((a, b) => a.k - b.k);
    this.countEpochs();
    this.page?.renewForEpoch();
    this.show();
    await this.budget.take(name, cost);
    // A training that has just ended cannot take the signal.
    const training = this.progress.budget && this.children.get(name);
    await training?.signal(signals.steeringSignal, { kind: 'counted' }).catch(() => {});
    this.show();
  }

  private countEpochs(): void {
    const { stages, splits } = this.progress;
    stages.train.done = splits.reduce((sum, { epoch }) => sum + epoch, 0);
    stages.train.of = [...this.epochs.values()].reduce((sum, epochs) => sum + epochs, 0);
  }

  private showRepair(child: string, reason: string | null): void {
    const shown = this.progress.stages[STAGES.find(stage => stage === child) ?? 'train'];
    if (reason === null) Object.assign(shown, { state: 'done', endedAt: Date.now() });
    else Object.assign(shown, { state: 'running', reason: `made again: ${reason}` });
    this.show();
  }

  private show(): void {
    setCurrentDetails(progressDetails(this.progress));
  }
}

/** Returns the first line of the original failure, below the wrappers that name the activity or workflow. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (!(reason instanceof ApplicationFailure) && reason instanceof TemporalFailure && reason.cause instanceof Error)
    reason = reason.cause;
  return (reason instanceof Error ? reason.message : String(reason)).split('\n')[0] ?? '';
}
