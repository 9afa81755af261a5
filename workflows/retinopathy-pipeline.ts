/** The whole job: five stages, each a child workflow; watched by `progress`, steered by pause, resume, stopEarly and extend. */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  patched,
  setCurrentDetails,
  setHandler,
  startChild,
  TemporalFailure,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import { trainingAt } from '../config/forks.ts';
import type { PartialPipelineInput, PipelineInput } from '../config/input.ts';
import { layoutsOf } from '../config/layouts.ts';
import { STAGES, type Stage } from '../config/stages.ts';
import { accountOf } from './account.ts';
import { BudgetBrake } from './budget-brake.ts';
import { joined } from './curve.ts';
import { downloadArchive } from './download-archive.ts';
import { labelSplits } from './label-splits.ts';
import { splitLabel, trainingName } from './names.ts';
import { prepareImages } from './prepare-images.ts';
import { initialProgress, type ProgressMessage, progressDetails } from './progress.ts';
import { ProgressPage } from './progress-page.ts';
import { runActivities } from './proxies.ts';
import { regressStage } from './regress-stage.ts';
import { atEnd, atStage } from './search-attributes.ts';
import * as signals from './signals.ts';
import type { StageResult } from './stage.ts';
import type { Upstream } from './standalone.ts';
import { type Children, Steering } from './steering.ts';
import { trainNetwork } from './train-network.ts';
import { startDealer } from './turn-taking.ts';

export interface PipelineResult {
  run: string;
  /** Keys of the stages, by their name in run.json. */
  stages: Upstream;
  /** `runs/<run>/report/` in the store; null when the run stopped before it. */
  report: string | null;
  /** Figures of the last stage: `qwk`, `auc0` … `auc3`. */
  figures: Record<string, number>;
}

/** Without input this is the demo on made-up eyes. */
export async function retinopathyPipeline(input: PartialPipelineInput = {}): Promise<PipelineResult> {
  const run = workflowInfo().workflowId;
  const pipeline = new Pipeline(run);
  const resolved = await runActivities.resolveInput.executeWithOptions({ summary: 'check the input' }, [
    { run, input },
  ]);
  return pipeline.run(resolved.input, resolved.searchAttributes === true);
}

class Pipeline {
  private readonly id: string;
  private readonly progress;
  private readonly steering: Steering;
  private readonly brake: BudgetBrake;
  private readonly children: Children = new Map();
  private readonly upstream: Upstream = {};
  private readonly results = new Map<string, StageResult>();
  private report: string | null = null;
  private page: ProgressPage | null = null;
  private searchable = false;

  constructor(id: string) {
    this.id = id;
    this.progress = initialProgress(id, STAGES);
    setHandler(signals.progressQuery, () => this.progress, { description: 'Stage, splits, rates: for machines' });
    setHandler(signals.progressSignal, message => this.take(message));
    this.steering = new Steering(this.progress, this.children, () => {
      this.show();
      this.page?.renew();
    });
    this.brake = new BudgetBrake(id, this.progress, () => this.show());
  }

  async run(input: PipelineInput, searchable: boolean): Promise<PipelineResult> {
    this.searchable = searchable;
    this.progress.source = input.source;
    this.steering.begin(input);
    if (input.budget) this.brake.begin(input.budget, layoutsOf(input.training).length);
    const stop = STAGES.indexOf(input.until);
    for (const stage of STAGES.slice(stop + 1)) this.progress.stages[stage].state = 'skipped';
    this.show();
    if (patched('progress-page')) this.page = new ProgressPage(() => this.progress);

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
    shown.state = results.every(result => result.reused) ? 'reused' : 'done';
    if (stage !== 'train') shown.counts = results[0]?.counts ?? {};
    shown.done = shown.of;
    this.show();
  }

  private async start(
    stage: Stage,
    place: { run: string; input: PipelineInput; upstream: Upstream },
  ): Promise<StageResult[]> {
    switch (stage) {
      case 'download':
        return [await this.child('download', 'five parts, in parallel', downloadArchive, place)];
      case 'prepare':
        return [await this.child('prepare', 'unzip + augment', prepareImages, place)];
      case 'label':
        return [await this.child('label', 'folds, lists, databases', labelSplits, place)];
      case 'train':
        return this.train(place);
      case 'regress':
        return [await this.regress(place)];
    }
  }

  private async train(place: { run: string; input: PipelineInput; upstream: Upstream }): Promise<StageResult[]> {
    const layouts = layoutsOf(place.input.training);
    this.progress.stages.train.of = layouts
      .map(heads => trainingAt(place.input.training, heads, Number.POSITIVE_INFINITY).epochs * heads.length)
      .reduce((sum, epochs) => sum + epochs, 0);
    const withTurns = layouts.length > 1 && patched('turns');
    const turns = withTurns
      ? await startDealer(this.id, layouts.length, () => this.steering.tell({ kind: 'withoutTurns' }))
      : null;
    const trained = await Promise.all(
      layouts.map(async heads => {
        const name = trainingName(heads);
        const summary = heads.length === 1 ? `split ${splitLabel(heads[0]!)}` : 'one network, four heads';
        const result = await this.child(name, summary, trainNetwork, {
          ...{ ...place, heads },
          ...(turns && { turns: turns.id }),
          ...(place.input.budget && { asksToSpend: true }),
        });
        this.take({ kind: 'splits', name, splits: result.splits });
        return result;
      }),
    );
    await turns?.end();
    return trained;
  }

  private async regress(place: { run: string; input: PipelineInput; upstream: Upstream }): Promise<StageResult> {
    // What is late must not overwrite the report.
    await this.page?.close();
    const account = accountOf(this.progress, this.results);
    const result = await this.child('regress', 'regression and report', regressStage, { ...place, account });
    this.report = result.report;
    return result;
  }

  /** Runs a child under the id `<run>/<name>` and notes its key. */
  private async child<Args, Result extends StageResult>(
    name: string,
    summary: string,
    workflow: (args: Args) => Promise<Result>,
    args: Args,
  ): Promise<Result> {
    const handle = await startChild<(args: Args) => Promise<Result>>(workflow, {
      workflowId: `${this.id}/${name}`,
      staticSummary: summary,
      args: [args],
    });
    this.children.set(name, handle);
    // Whoever paused while the child was being started was not heard by it.
    if (this.steering.paused()) await handle.signal(signals.steeringSignal, { kind: 'pause' });
    try {
      const result = await handle.result();
      this.upstream[name] = result.key;
      this.results.set(name, result);
      return result;
    } finally {
      this.children.delete(name);
    }
  }

  private take(message: ProgressMessage): void {
    if (message.kind === 'stage') {
      Object.assign(this.progress.stages[message.stage], message.progress);
    } else {
      const others = this.progress.splits.filter(split => split.name !== message.name);
      const known = new Map(this.progress.splits.map(({ k, curve = [] }) => [k, curve]));
      const told = message.splits.map(split => ({
        ...split,
        curve: joined(known.get(split.k) ?? [], split.curve ?? []),
      }));
      this.progress.splits = [...others, ...told].sort((a, b) => a.k - b.k);
      this.progress.stages.train.done = this.progress.splits.reduce((sum, split) => sum + split.epoch, 0);
      this.page?.renewForEpoch();
    }
    this.show();
  }

  private show(): void {
    setCurrentDetails(progressDetails(this.progress));
  }
}

/** The first line of what an activity or workflow stated, below the layers that say whose it is. */
function reasonOf(error: unknown): string {
  let reason = error;
  while (!(reason instanceof ApplicationFailure) && reason instanceof TemporalFailure && reason.cause instanceof Error)
    reason = reason.cause;
  return (reason instanceof Error ? reason.message : String(reason)).split('\n')[0] ?? '';
}
