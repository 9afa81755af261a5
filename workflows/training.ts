/** One training while it lasts: its journey, its steps as activities, and whom it asks before each of them. */
import { log, patched, setCurrentDetails } from '@temporalio/workflow';
import type { OpenedStage, OpenStageArgs } from '../activities/run/types.ts';
import type { SegmentResult, SpoiltPair, TrainingArgs, TrainingPlan } from '../activities/training/types.ts';
import { Journey } from './journey.ts';
import { type SplitProgress, splitsTable } from './progress.ts';
import { runActivities, trainingActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import type { Steering } from './signals.ts';
import { withSoundPairs } from './sound-pairs.ts';
import { Spending } from './spending.ts';
import { listenToSteering, type StageResult, tellSplits } from './stage.ts';
import type { StageArgs } from './standalone.ts';
import { TurnTaking } from './turn-taking.ts';

export interface TrainArgs extends StageArgs {
  /** `[k]` for the split <0..k>/<k+1..4>, `[0, 1, 2, 3]` for one network of four heads. */
  heads?: number[];
  /** Id of the workflow that deals turns on the graphics cards; without it the training takes them as it can. */
  turns?: string;
  /** Whether the run has a budget and wants to be asked before anything is spent on a graphics card. */
  asksToSpend?: boolean;
}

export interface TrainResult extends StageResult {
  splits: SplitProgress[];
}

export interface TrainingSettings {
  /** As of the workflow. */
  args: Pick<TrainArgs, 'turns' | 'asksToSpend'>;
  /** Key of the label stage. */
  label: string;
  plan: TrainingPlan;
  /** Epochs without a better snapshot after which it ends; null for none. */
  earlyStop: number | null;
}

export interface TrainedSegment {
  epoch: number;
  trained: SegmentResult;
  endsEpoch: boolean;
}

export class Training {
  private readonly what: TrainingArgs;
  private readonly label: string;
  private readonly plan: TrainingPlan;
  private readonly journey: Journey;
  private readonly turns: TurnTaking;
  private readonly spending: Spending;
  private readonly mayGoOn: () => Promise<void>;
  private readonly notes: string[] = [];
  private opened: OpenedStage | null = null;
  private openedAt = 0;

  /** Listens to its parent from now on. */
  constructor(what: TrainingArgs, { label, plan, earlyStop, args }: TrainingSettings) {
    const { name, heads } = what;
    this.what = what;
    this.label = label;
    this.plan = plan;
    this.journey = new Journey(name, heads, plan, earlyStop);
    this.turns = new TurnTaking(args.turns ?? null, name);
    this.spending = new Spending(args.asksToSpend ?? false, name, plan.done);
    this.mayGoOn = listenToSteering(steering => this.steer(steering)).mayGoOn;
  }

  /** @returns what the store has of it, where all is done; null where there is work */
  async open(): Promise<TrainResult | null> {
    const opened = await this.openStage(`open ${this.what.name}`);
    this.openedAt = opened.openedAt;
    if (opened.finished && patched('leave-when-reused')) await this.turns.leave();
    return this.reused(opened);
  }

  /** What was steered by hand is another result than the planned one: it gets a key of its own. @returns as `open` */
  async openAsSteered(): Promise<TrainResult | null> {
    if (this.journey.steeredTo === null) return null;
    return this.reused(await this.openStage(`open ${this.what.name} as steered`));
  }

  /** Whether another segment is wanted; waits while there is no money for it and while the run is paused. */
  async goesOn(): Promise<boolean> {
    const { journey } = this;
    if (!journey.goesOn()) return false;
    if (journey.segments.length >= this.plan.done.length) {
      await this.spending.mayBegin('segment', { left: journey.leftOfEpoch(), wanted: () => journey.goesOn() });
      // Where there is no money for another epoch, somebody may have stopped it.
      if (!journey.goesOn()) return false;
    }
    await this.mayGoOn();
    // Or while it was paused.
    return journey.goesOn() || !patched('stopped-while-paused');
  }

  async trainSegment(): Promise<TrainedSegment> {
    const { journey, what } = this;
    const { segment, epoch, last: endsEpoch } = journey.next();
    const [keep, drop] = [journey.toKeep(), journey.toDrop()];
    const summary = `${what.name} · epoch ${epoch}/${journey.epochs} · segment ${segment + 1}`;
    const trained = await this.fromPair(async () => {
      const args = { ...what, segment, previous: journey.previous, ...journey.rateOf(segment), keep, drop };
      const turn = await this.turnAt(segment, segment);
      return trainingActivities.trainSegment.executeWithOptions({ summary }, [{ ...args, turn }]);
    });
    journey.trained(trained, drop);
    this.spending.trained(trained);
    return { epoch, trained, endsEpoch };
  }

  /** Judges an epoch by the snapshot at its end, on the validation fold, and tells the parent. */
  async judge(epoch: number, { key: snapshot, segment }: SegmentResult): Promise<void> {
    const { what } = this;
    const costs = !this.isDone(segment);
    if (costs) await this.spending.mayBegin('judging');
    const summary = `${what.name} · judge epoch ${epoch}`;
    const judged = await this.fromPair(async () => {
      // Before anybody's next segment, or the one that judges would fall behind.
      const turn = await this.turnAt(segment, segment + 0.5);
      return trainingActivities.evaluateSnapshot.executeWithOptions({ summary }, [{ ...what, snapshot, epoch, turn }]);
    });
    this.journey.judged(judged);
    if (costs) this.spending.did('judging', judged.seconds);
    await tellSplits(what.name, this.journey.splits);
  }

  /** After the last segment. */
  async handTurnsOver(): Promise<void> {
    await this.turns.leave();
  }

  /** Scores all pictures with the best snapshot, collects the curves, and closes the stage. */
  async close(): Promise<TrainResult> {
    const { journey, what, openedAt } = this;
    const { key, prefix } = this.opened!;
    const best = journey.best();
    await this.spending.mayBegin('scoring');
    const scored = await this.fromPair(() =>
      trainingActivities.scoreImages.executeWithOptions({ summary: `${what.name} · score with epoch ${best.epoch}` }, [
        { ...what, prefix, snapshot: best.snapshot },
      ]),
    );
    this.spending.did('scoring', scored.seconds);
    await this.spending.end();
    const curves = await trainingActivities.collectCurves.executeWithOptions({ summary: `${what.name} · curves` }, [
      {
        ...{ ...what, prefix, segments: journey.segments, evaluations: journey.evaluations },
        ...{ keep: journey.toKeep(), drop: journey.toDrop({ atLast: true }) },
      },
    ]);
    const outputs = { 'scores.csv': scored.scores, 'curves.csv': curves };
    const { seconds, counts } = await runActivities.closeStage.executeWithOptions({ summary: `close ${what.name}` }, [
      { ...this.stage(), key, openedAt, outputs, counts: journey.counts() },
    ]);
    return { key, prefix, reused: false, seconds, counts, splits: journey.splits };
  }

  show(): void {
    const notes = this.notes.map(note => `- ${note}`);
    const head = `**${this.what.name}** · ${this.opened!.reason}`;
    setCurrentDetails([head, splitsTable(this.journey.splits), ...notes].join('\n\n'));
  }

  private steer(steering: Steering): void {
    const { journey } = this;
    if (steering.kind === 'stopEarly' && (steering.split === null || this.what.heads.includes(steering.split)))
      journey.stopEarly();
    if (steering.kind === 'extend') journey.extend(steering.epochs, steering.rate);
    if (steering.kind === 'withoutTurns') this.turns.giveUp();
    if (steering.kind === 'spend') this.spending.allow(steering.ceiling);
  }

  private stage(): OpenStageArgs {
    const { run, name, heads, training } = this.what;
    const { steeredTo, rates } = this.journey;
    return {
      ...{ run, name, stage: 'train', recipe: RECIPES.train },
      inputs: { label: this.label, origin: this.plan.origin },
      parameters: { heads, training, steeredTo, ...(rates.length > 0 && { rates }) },
    };
  }

  private async openStage(summary: string): Promise<OpenedStage> {
    this.opened = await runActivities.openStage.executeWithOptions({ summary }, [this.stage()]);
    return this.opened;
  }

  private reused({ key, prefix, finished }: OpenedStage): TrainResult | null {
    if (!finished) return null;
    this.journey.recall(finished.counts);
    return { key, prefix, reused: true, ...finished, splits: this.journey.splits };
  }

  /** Whether a segment was in the store when the training began: it answers at once, and costs nothing. */
  private isDone(segment: number): boolean {
    return segment < this.plan.done.length;
  }

  private async turnAt(segment: number, level: number) {
    return this.isDone(segment) ? undefined : this.turns.take(level);
  }

  /** Does what starts from a snapshot pair; where that one cannot be used, its segment is trained again first. */
  private fromPair<Result>(work: () => Promise<Result>): Promise<Result> {
    return withSoundPairs(work, spoilt => this.trainAgain(spoilt));
  }

  private async trainAgain({ key, why, instead }: SpoiltPair): Promise<void> {
    const { journey, what } = this;
    const segment = journey.segments.indexOf(key);
    log.warn('A snapshot pair cannot be used: its segment is trained again', { name: what.name, segment, why });
    this.notes.push(`segment ${segment + 1} is trained again: ${why}`);
    this.show();
    await this.spending.mayBegin('segment');
    await this.mayGoOn();
    const again = { ...what, segment, previous: journey.segments[segment - 1] ?? null, instead };
    const summary = `${what.name} · segment ${segment + 1} again: its pair was ${instead?.reason ?? 'lost'}`;
    const trained = await this.fromPair(async () => {
      const args = { ...again, ...journey.rateOf(segment), keep: journey.toKeep() };
      const turn = await this.turns.take(segment);
      return trainingActivities.trainSegment.executeWithOptions({ summary }, [{ ...args, turn }]);
    });
    journey.trainedAgain(trained);
    this.spending.trained(trained);
  }
}
