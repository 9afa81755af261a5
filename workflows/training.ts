/** Runs one training: schedules its activities and keeps its state. */
import {
  ActivityFailure,
  ApplicationFailure,
  allHandlersFinished,
  condition,
  log,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import type { OpenedStage, OpenStageArgs } from '../activities/run/types.ts';
import type { SegmentResult, SpoiltPair, TrainingArgs, TrainingPlan } from '../activities/training/types.ts';
import { RECIPES } from '../config/stages.ts';
import { planActivities, runActivities, trainingActivities } from './activities.ts';
import { type SplitProgress, splitsTable } from './progress.ts';
import type { Steering } from './signals.ts';
import { listenToSteering, type StageResult, tellParent } from './stage.ts';
import type { StageArgs } from './stage-input.ts';
import { Journey, type JourneyState } from './training-state.ts';

export interface TrainArgs extends StageArgs {
  /** `[k]` for the split <0..k>/<k+1..4>, `[0, 1, 2, 3]` for one network of four heads. */
  heads?: number[];
  /** True if the parent checks the budget after each epoch. */
  budgeted?: boolean;
  /** State from the previous history of the training. */
  state?: TrainingState;
}

export interface TrainResult extends StageResult {
  splits: SplitProgress[];
  /** GPU seconds. */
  spent: number;
}

/** Number of latest notes that are shown. */
const MAX_NOTES = 20;
/** A store that corrupts more snapshots in a row needs human attention. */
const MAX_REPAIRS = 5;

/** State that one history of a training passes to the next. */
export interface TrainingState {
  what: TrainingArgs;
  settings: TrainingSettings;
  /** Absent at the start, when `opened` is null. */
  journey?: JourneyState;
  opened: OpenedStage | null;
  openedAt: number;
  notes: string[];
  paused: boolean;
  /** GPU seconds: `spent` by the training, `epochSeconds` by the current epoch, `costs` as estimated for the next steps. */
  spent: number;
  epochSeconds: number;
  costs: { epoch: number; judging: number };
}

export interface TrainingSettings {
  /** Key of the label stage. */
  label: string;
  plan: TrainingPlan;
  /** Epochs without a better snapshot after which the training ends; null disables this. */
  earlyStop: number | null;
  budgeted: boolean;
}

/** Returns the state of a new training. */
export function beginning(what: TrainingArgs, settings: TrainingSettings): TrainingState {
  return {
    ...{ what, settings, opened: null, openedAt: 0, notes: [], paused: false },
    ...{ spent: 0, epochSeconds: 0, costs: { epoch: 0, judging: 0 } },
  };
}

export class Training {
  private readonly state: TrainingState;
  private readonly journey: Journey;
  private readonly listening: ReturnType<typeof listenToSteering>;
  private counted = true;

  /** Registers the handler of signals from the parent. */
  constructor(state: TrainingState) {
    const { what, settings, journey } = state;
    this.state = state;
    this.journey = new Journey(what.name, what.heads, settings.plan, settings.earlyStop, journey);
    if (state.opened) this.show();
    // Registered last: signals sent before are handled immediately on registration.
    this.listening = listenToSteering(steering => this.steer(steering), state.paused);
  }

  private get what(): TrainingArgs {
    return this.state.what;
  }

  /** Continues in a new history when the server suggests it: a training may have a million segments. */
  async endLongHistory(next: (state: TrainingState) => Promise<never>): Promise<void> {
    if (!workflowInfo().continueAsNewSuggested) return;
    await condition(allHandlersFinished);
    await next({ ...this.state, journey: this.journey.state, paused: this.listening.paused() });
  }

  /** Opens the stage. @returns the cached result, or null if there is work to do */
  async open(how = ''): Promise<TrainResult | null> {
    const summary = `open ${this.what.name}${how}`;
    const opened = await runActivities.openStage.executeWithOptions({ summary }, [this.stage()]);
    this.state.opened = opened;
    this.state.openedAt ||= opened.openedAt;
    const { key, prefix, finished } = opened;
    if (!finished) return null;
    this.journey.recall(finished.counts);
    return { key, prefix, reused: true, ...finished, splits: this.journey.state.splits, spent: this.state.spent };
  }

  /** Opens the stage under its own key if user requests changed the number of epochs. @returns as `open` */
  async openAsSteered(): Promise<TrainResult | null> {
    return this.journey.steeredTo === null ? null : this.open(' as steered');
  }

  /** Returns whether another segment follows; waits while the run is paused. */
  async goesOn(): Promise<boolean> {
    if (!this.journey.goesOn()) return false;
    await this.listening.mayGoOn();
    // stopEarly may have arrived during the pause.
    return this.journey.goesOn();
  }

  async trainSegment(): Promise<{ epoch: number; trained: SegmentResult; endsEpoch: boolean }> {
    const { journey, what } = this;
    const { segment, epoch, last: endsEpoch } = journey.next();
    const summary = `${what.name} · epoch ${epoch}/${journey.state.epochs} · segment ${segment + 1}`;
    const trained = await this.fromPair(() =>
      trainingActivities.trainSegment.executeWithOptions({ summary }, [
        { ...what, segment, previous: journey.previous, ...journey.rateOf(segment), drop: journey.toDrop() },
      ]),
    );
    journey.trained(trained);
    this.state.epochSeconds += trained.seconds + trained.lost.seconds;
    if (!this.isDone(segment)) this.state.spent += trained.seconds + trained.lost.seconds;
    return { epoch, trained, endsEpoch };
  }

  /** Evaluates the snapshot at the end of an epoch on the validation fold, and reports to the parent. */
  async judge(epoch: number, { key: snapshot, segment }: SegmentResult): Promise<void> {
    const { what } = this;
    const costs = !this.isDone(segment);
    if (costs) await this.listening.mayGoOn();
    const summary = `${what.name} · judge epoch ${epoch}`;
    const judged = await this.fromPair(() =>
      trainingActivities.evaluateSnapshot.executeWithOptions({ summary }, [{ ...what, snapshot, epoch }]),
    );
    this.journey.judged(judged);
    const { state } = this;
    if (costs) state.spent += judged.seconds;
    state.costs = { epoch: state.epochSeconds + judged.seconds, judging: judged.seconds };
    state.epochSeconds = 0;
    this.counted = !state.settings.budgeted || !workflowInfo().parent;
    await this.tell();
    // If the next epoch exceeds the budget, the parent sends the pause before `counted`.
    await condition(() => this.counted);
  }

  /** Scores all images with the best snapshot, collects the curves, and closes the stage. */
  async close(): Promise<TrainResult> {
    const { journey, what, state } = this;
    const { key, prefix } = state.opened!;
    const best = journey.best();
    await this.listening.mayGoOn();
    const scored = await this.fromPair(() =>
      trainingActivities.scoreImages.executeWithOptions({ summary: `${what.name} · score with epoch ${best.epoch}` }, [
        { ...what, prefix, snapshot: best.snapshot },
      ]),
    );
    state.spent += scored.seconds;
    const collected = await this.fromPair(() =>
      trainingActivities.collectCurves.executeWithOptions({ summary: `${what.name} · curves` }, [
        {
          ...{ ...what, prefix, segments: journey.state.count, rates: journey.state.rates },
          ...{ evaluations: journey.state.evaluations, best: best.snapshot, drop: journey.toDrop() },
        },
      ]),
    );
    const outputs = { 'scores.csv': scored.scores, ...collected };
    const { seconds, counts } = await runActivities.closeStage.executeWithOptions({ summary: `close ${what.name}` }, [
      { ...this.stage(), key, openedAt: state.openedAt, outputs, counts: journey.counts() },
    ]);
    return { key, prefix, reused: false, seconds, counts, splits: journey.state.splits, spent: state.spent };
  }

  show(): void {
    const notes = this.state.notes.map(note => `- ${note}`);
    const head = `**${this.what.name}** · ${this.state.opened!.reason}`;
    setCurrentDetails([head, splitsTable(this.journey.state.splits), ...notes].join('\n\n'));
  }

  private async steer(steering: Steering): Promise<void> {
    const { journey } = this;
    if (steering.kind === 'counted') {
      this.counted = true;
      return;
    }
    if (steering.kind === 'stopEarly' && (steering.split === null || this.what.heads.includes(steering.split)))
      journey.stopEarly(steering.epoch);
    if (steering.kind === 'extend') journey.extend(steering.epochs, steering.rate);
    await this.tell();
  }

  private async tell(): Promise<void> {
    const { journey } = this;
    const { costs, spent } = this.state;
    const next = journey.goesOn() ? costs.epoch : costs.judging;
    await tellParent({ kind: 'splits', name: this.what.name, splits: journey.state.splits, cost: { spent, next } });
  }

  private stage(): OpenStageArgs {
    const { run, name, heads, training } = this.what;
    const { steeredTo } = this.journey;
    const { rates } = this.journey.state;
    const { settings } = this.state;
    return {
      ...{ run, name, stage: 'train', recipe: RECIPES.train },
      inputs: { label: settings.label, origin: settings.plan.origin },
      parameters: { heads, training, steeredTo, ...(rates.length > 0 && { rates }) },
    };
  }

  /** Returns whether a segment was cached when the training started. Such a segment returns at once and costs nothing. */
  private isDone(segment: number): boolean {
    return segment < this.state.settings.plan.done;
  }

  /** Runs work that reads a snapshot. If the snapshot is unusable, its segment is trained again first, `MAX_REPAIRS` times at most. */
  private async fromPair<Result>(work: () => Promise<Result>): Promise<Result> {
    for (let repairs = 0; ; repairs++) {
      try {
        return await work();
      } catch (error) {
        const spoilt = spoiltPairOf(error);
        if (!spoilt || repairs === MAX_REPAIRS) throw error;
        await this.trainAgain(spoilt);
      }
    }
  }

  private async trainAgain({ key, why, instead }: SpoiltPair): Promise<void> {
    const { journey, what } = this;
    const { segment, previous, lost } = await planActivities.locateSegment.executeWithOptions(
      { summary: `${what.name} · find the segment of a snapshot` },
      [{ ...what, key, segments: journey.state.count, rates: journey.state.rates }],
    );
    log.warn('A snapshot pair cannot be used: its segment is trained again', { name: what.name, segment, why });
    this.state.notes = [...this.state.notes, `segment ${segment + 1} is trained again: ${why}`].slice(-MAX_NOTES);
    this.show();
    await this.listening.mayGoOn();
    const again = { ...what, segment, previous, instead };
    const summary = `${what.name} · segment ${segment + 1} again: its pair cannot be used`;
    const trained = await this.fromPair(() =>
      trainingActivities.trainSegment.executeWithOptions({ summary }, [{ ...again, ...journey.rateOf(segment) }]),
    );
    journey.trainedAgain(trained, lost);
    this.state.spent += trained.seconds;
  }
}

function spoiltPairOf(error: unknown): SpoiltPair | undefined {
  const cause = error instanceof ActivityFailure ? error.cause : undefined;
  if (!(cause instanceof ApplicationFailure) || cause.type !== 'SpoiltPair') return undefined;
  return cause.details?.[0] as SpoiltPair | undefined;
}
