/** The whole job: five stages, each a child workflow; watched by `progress`, steered by pause, resume, stopEarly and extend. */
import {
  ApplicationFailure,
  allHandlersFinished,
  type ChildWorkflowHandle,
  condition,
  patched,
  setCurrentDetails,
  setHandler,
  startChild,
  type Workflow,
  workflowInfo,
} from '@temporalio/workflow';
import type { PartialPipelineInput, PipelineInput } from '../config/input.ts';
import { STAGES, type Stage } from '../config/stages.ts';
import { accountOf } from './account.ts';
import { downloadArchive } from './download-archive.ts';
import { labelSplits } from './label-splits.ts';
import { splitLabel, trainingName } from './names.ts';
import { prepareImages } from './prepare-images.ts';
import { initialProgress, type ProgressMessage, progressDetails } from './progress.ts';
import { runActivities } from './proxies.ts';
import { regressStage } from './regress-stage.ts';
import * as signals from './signals.ts';
import type { StageResult } from './stage.ts';
import type { Upstream } from './standalone.ts';
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
  return pipeline.run(resolved.input);
}

class Pipeline {
  private readonly id: string;
  private readonly progress;
  private readonly children = new Map<string, Pick<ChildWorkflowHandle<Workflow>, 'signal'>>();
  private readonly upstream: Upstream = {};
  private readonly results = new Map<string, StageResult>();
  private input: PipelineInput | undefined;
  private report: string | null = null;

  constructor(id: string) {
    this.id = id;
    this.progress = initialProgress(id, STAGES);
    this.listen();
  }

  async run(input: PipelineInput): Promise<PipelineResult> {
    this.input = input;
    this.progress.source = input.source;
    this.progress.state = this.paused() ? 'paused' : 'running';
    const stop = STAGES.indexOf(input.until);
    for (const stage of STAGES.slice(stop + 1)) this.progress.stages[stage].state = 'skipped';
    this.show();

    for (const stage of STAGES.slice(0, stop + 1)) {
      await condition(() => !this.paused());
      await this.stage(stage, input);
    }
    this.progress.state = 'finished';
    this.show();
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
    const layouts = place.input.training.layout === 'four-heads' ? [[0, 1, 2, 3]] : [[0], [1], [2], [3]];
    this.progress.stages.train.of = place.input.training.epochs * 4;
    const withTurns = layouts.length > 1 && patched('turns');
    const turns = withTurns
      ? await startDealer(this.id, layouts.length, () => this.steer({ kind: 'withoutTurns' }))
      : null;
    const trained = await Promise.all(
      layouts.map(async heads => {
        const name = trainingName(heads);
        const summary = heads.length === 1 ? `split ${splitLabel(heads[0]!)}` : 'one network, four heads';
        const result = await this.child(name, summary, trainNetwork, {
          ...{ ...place, heads },
          ...(turns && { turns: turns.id }),
        });
        this.take({ kind: 'splits', name, splits: result.splits });
        return result;
      }),
    );
    await turns?.end();
    return trained;
  }

  private async regress(place: { run: string; input: PipelineInput; upstream: Upstream }): Promise<StageResult> {
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
    if (this.paused()) await handle.signal(signals.steeringSignal, { kind: 'pause' });
    try {
      const result = await handle.result();
      this.upstream[name] = result.key;
      this.results.set(name, result);
      return result;
    } finally {
      this.children.delete(name);
    }
  }

  private listen(): void {
    setHandler(signals.progressQuery, () => this.progress, { description: 'Stage, splits, rates: for machines' });
    setHandler(signals.progressSignal, message => this.take(message));
    setHandler(signals.pauseUpdate, () => this.pause(), {
      validator: () => this.refuse(this.paused() ? 'it is paused already' : null),
      description: 'Stop after the units that are running',
    });
    setHandler(signals.resumeUpdate, () => this.resume(), {
      validator: () => this.refuse(this.paused() ? null : 'it is not paused'),
      description: 'Go on after a pause',
    });
    setHandler(signals.stopEarlyUpdate, split => this.stopEarly(split), {
      validator: split => this.refuse(this.cannotStop(split)),
      description: 'End the training of all splits, or of split 0–3, with the epoch that is running',
    });
    setHandler(signals.extendUpdate, (epochs, rate) => this.extend(epochs, rate), {
      validator: (epochs, rate) => this.refuse(this.cannotExtend(epochs, rate)),
      description: 'Train so many epochs more, at the rate of the planned end or at the one given behind',
    });
    setHandler(signals.pauseSignal, async () => void (this.paused() || (await this.pause())));
    setHandler(signals.resumeSignal, async () => void (this.paused() && (await this.resume())));
    setHandler(signals.stopEarlySignal, async split => void (this.cannotStop(split) ?? (await this.stopEarly(split))));
    setHandler(
      signals.extendSignal,
      async (epochs, rate) => void (this.cannotExtend(epochs, rate) ?? (await this.extend(epochs, rate))),
    );
  }

  private async pause(): Promise<signals.SteeringAnswer> {
    this.progress.state = 'paused';
    await this.steer({ kind: 'pause' });
    return this.answer('paused: what runs is ended, nothing new is begun until resume');
  }

  private async resume(): Promise<signals.SteeringAnswer> {
    this.progress.state = this.input ? 'running' : 'starting';
    await this.steer({ kind: 'resume' });
    return this.answer('going on');
  }

  private async stopEarly(split?: number): Promise<signals.SteeringAnswer> {
    await this.steer({ kind: 'stopEarly', split: split ?? null });
    const which = split === undefined ? 'all splits end' : `split ${splitLabel(split)} ends`;
    return this.answer(`${which} with the epoch that is running`);
  }

  private async extend(epochs: number, rate?: number): Promise<signals.SteeringAnswer> {
    await this.steer({ kind: 'extend', epochs, ...(isGiven(rate) && { rate }) });
    this.progress.stages.train.of += 4 * epochs;
    const at = isGiven(rate) ? `, at a rate of ${rate}` : '';
    return this.answer(`${epochs} epochs more for every split that is still training${at}`);
  }

  private async steer(steering: signals.Steering): Promise<void> {
    await Promise.allSettled([...this.children.values()].map(child => child.signal(signals.steeringSignal, steering)));
  }

  private answer(plan: string): signals.SteeringAnswer {
    this.show();
    return { state: this.progress.state, plan };
  }

  private paused(): boolean {
    return this.progress.state === 'paused';
  }

  private cannotStop(split: number | undefined): string | null {
    if (split !== undefined && ![0, 1, 2, 3].includes(split)) return `a split is 0, 1, 2 or 3, not ${split}`;
    return this.progress.stages.train.state === 'running' ? null : 'nothing is training';
  }

  private cannotExtend(epochs: number, rate?: number): string | null {
    if (!Number.isInteger(epochs) || epochs < 1) return `epochs must be an integer from 1, not ${epochs}`;
    if (isGiven(rate) && !(typeof rate === 'number' && rate > 0 && rate <= 10))
      return `a rate must be a number above 0 up to 10, not ${rate}`;
    if (!isGiven(rate) && this.input?.training.policy.type === 'poly')
      return 'the policy poly ends with a rate of 0: give a rate behind the epochs, e.g. 2 and 0.001';
    return this.progress.stages.train.state === 'running' ? null : 'nothing is training';
  }

  private refuse(reason: string | null): void {
    if (reason !== null) throw ApplicationFailure.nonRetryable(`Refused: ${reason}`, 'Refused');
  }

  private take(message: ProgressMessage): void {
    if (message.kind === 'stage') {
      Object.assign(this.progress.stages[message.stage], message.progress);
    } else {
      const others = this.progress.splits.filter(split => split.name !== message.name);
      this.progress.splits = [...others, ...message.splits].sort((a, b) => a.k - b.k);
      this.progress.stages.train.done = this.progress.splits.reduce((sum, split) => sum + split.epoch, 0);
    }
    this.show();
  }

  private show(): void {
    setCurrentDetails(progressDetails(this.progress));
  }
}

/** What a caller leaves out comes as null from tools that send every argument. */
function isGiven(rate: number | null | undefined): rate is number {
  return rate !== undefined && rate !== null;
}
