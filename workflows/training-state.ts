/** State of one training between two segments. */

import type { LostWork } from '../activities/run/types.ts';
import type { EvaluatedSnapshot, SegmentResult, TrainingPlan } from '../activities/training/types.ts';
import { MAX_EPOCHS } from '../config/stages.ts';
import type { SplitProgress } from './progress.ts';

const NOTHING_LOST: LostWork = { attempts: 0, iterations: 0, seconds: 0 };

/** State passed from one history to the next; its size does not grow with the number of segments. */
export interface JourneyState {
  /** Number of finished segments. */
  count: number;
  /** Keys of the last two segments. */
  last: string[];
  /** One evaluation an epoch. */
  evaluations: EvaluatedSnapshot[];
  splits: SplitProgress[];
  epochs: number;
  /** Learning rates for the epochs after `after`. */
  rates: { after: number; rate: number }[];
  stopped: boolean;
  /** Keys of segments whose snapshots may be in the store, the oldest first. */
  pairs: string[];
}

/** Progress and results of a training, and the decision when it ends. */
export class Journey {
  readonly state: JourneyState;
  /** Number of segments that are trained or being trained. */
  private begun: number;
  private bestSoFar: EvaluatedSnapshot | undefined;
  private readonly plan: TrainingPlan;
  private readonly patience: number | null;

  /** @param before state at the end of the previous history */
  constructor(
    name: string,
    heads: readonly number[],
    plan: TrainingPlan,
    patience: number | null,
    before?: JourneyState,
  ) {
    this.plan = plan;
    this.patience = patience;
    const splits = heads.map(k => ({
      ...{ k, name, epoch: 0, epochs: plan.epochs, iteration: 0, iterations: plan.iterations },
      ...{ loss: null, accuracy: null, auc: null, bestAuc: null, bestEpoch: null },
      ...{ segmentsTrained: 0, segmentsReused: 0, lost: NOTHING_LOST, curve: [] },
    }));
    this.state = before ?? {
      ...{ count: 0, last: [], evaluations: [], splits, epochs: plan.epochs, rates: [], stopped: false, pairs: [] },
    };
    this.begun = this.state.count;
    for (const evaluated of this.state.evaluations) this.compareWithBest(evaluated);
  }

  get previous(): string | null {
    return this.state.last.at(-1) ?? null;
  }

  /** Number of epochs after stopEarly and extend; null if it is the planned number. */
  get steeredTo(): number | null {
    return this.state.epochs === this.plan.epochs ? null : this.state.epochs;
  }

  goesOn(): boolean {
    const { count, epochs } = this.state;
    const atEpochsEnd = count % this.plan.segmentsPerEpoch === 0;
    return !(atEpochsEnd && (count >= epochs * this.plan.segmentsPerEpoch || this.outOfPatience()));
  }

  next(): { segment: number; epoch: number; last: boolean } {
    const segment = this.state.count;
    this.begun = segment + 1;
    return {
      segment,
      epoch: Math.floor(segment / this.plan.segmentsPerEpoch) + 1,
      last: (segment + 1) % this.plan.segmentsPerEpoch === 0,
    };
  }

  /** Records a trained segment, whose activity has also removed the snapshots of `toDrop`. */
  trained(result: SegmentResult): void {
    const { state } = this;
    state.count++;
    state.pairs = [...this.toKeep(), result.key];
    state.last = [...state.last, result.key].slice(-2);
    for (const split of state.splits) {
      split.epoch = result.epoch;
      split.iteration = result.iteration;
      split.loss = result.loss;
      if (result.reused) split.segmentsReused++;
      else split.segmentsTrained++;
    }
    this.lose(result.lost, NOTHING_LOST);
  }

  /**
   * Records a segment whose unusable snapshot was replaced. Its earlier cost counts as lost.
   * @param before lost work of this segment that is already counted
   */
  trainedAgain({ key, lost }: SegmentResult, before: LostWork): void {
    if (!this.state.pairs.includes(key)) this.state.pairs.push(key);
    this.lose(lost, before);
  }

  private lose(now: LostWork, before: LostWork): void {
    for (const split of this.state.splits)
      split.lost = {
        attempts: split.lost.attempts + now.attempts - before.attempts,
        iterations: split.lost.iterations + now.iterations - before.iterations,
        seconds: split.lost.seconds + now.seconds - before.seconds,
      };
  }

  /** Returns the segments whose snapshots may still be needed: the last two, in case one is corrupt, and the best. */
  toKeep(): string[] {
    const best = this.state.evaluations.length > 0 ? [this.best().snapshot] : [];
    return [...new Set([...this.state.last, ...best])];
  }

  /** Returns the segments whose snapshots are no longer needed. */
  toDrop(): string[] {
    const keep = this.toKeep();
    return this.state.pairs.filter(key => !keep.includes(key));
  }

  judged(result: EvaluatedSnapshot): void {
    this.state.evaluations.push(result);
    this.compareWithBest(result);
    for (const [i, split] of this.state.splits.entries()) {
      const auc = result.auc[i] ?? null;
      const trainingAuc = result.training.auc[i] ?? null;
      split.curve = [
        { epoch: result.epoch, loss: split.loss, validationLoss: result.loss[i] ?? null, auc, trainingAuc },
      ];
      split.accuracy = result.accuracy[i] ?? null;
      split.auc = auc;
      if (auc !== null && (split.bestAuc === null || auc > split.bestAuc)) {
        split.bestAuc = auc;
        split.bestEpoch = result.epoch;
      }
    }
  }

  /** Returns the snapshot with the highest mean AUC on the validation fold; on a tie, the earliest one. */
  best(): EvaluatedSnapshot {
    if (this.bestSoFar === undefined) throw new Error('Expected an evaluated epoch, got none');
    return this.bestSoFar;
  }

  private compareWithBest(evaluated: EvaluatedSnapshot): void {
    if (this.bestSoFar === undefined || meanAuc(evaluated) > meanAuc(this.bestSoFar)) this.bestSoFar = evaluated;
  }

  /** Ends the training with the current epoch, or with `epoch` if that is later: a training that runs again ended there before. */
  stopEarly(epoch = 1): void {
    this.state.stopped = true;
    this.steer(Math.max(epoch, Math.ceil(this.begun / this.plan.segmentsPerEpoch)));
  }

  /**
   * Adds epochs, at the rate of the planned end or at the given one. Has no effect on a stopped training, or if the total
   * would exceed the maximum of an input.
   */
  extend(epochs: number, rate?: number): void {
    if (this.state.stopped || this.state.epochs + epochs > MAX_EPOCHS) return;
    if (rate !== undefined) this.state.rates.push({ after: this.state.epochs, rate });
    this.steer(this.state.epochs + epochs);
  }

  /** Returns the rate that `extend` gave for a segment beyond the planned end, if any. */
  rateOf(segment: number): { rate?: number } {
    const epoch = Math.floor(segment / this.plan.segmentsPerEpoch) + 1;
    const given = this.state.rates.findLast(({ after }) => epoch > after);
    return given ? { rate: given.rate } : {};
  }

  counts(): Record<string, number> {
    const [first] = this.state.splits;
    if (!first) return {};
    const counts: Record<string, number> = {
      epochs: first.epoch,
      iterations: first.iteration,
      segmentsTrained: first.segmentsTrained,
      segmentsReused: first.segmentsReused,
      attemptsLost: first.lost.attempts,
      iterationsLost: first.lost.iterations,
      secondsLost: first.lost.seconds,
      bestEpoch: this.best().epoch,
    };
    for (const split of this.state.splits) if (split.bestAuc !== null) counts[`auc${split.k}`] = split.bestAuc;
    return counts;
  }

  /** Restores the figures from the counts of a cached training. */
  recall(counts: Record<string, number>): void {
    for (const split of this.state.splits) {
      split.epoch = counts.epochs ?? 0;
      split.iteration = counts.iterations ?? 0;
      split.segmentsReused = (counts.segmentsTrained ?? 0) + (counts.segmentsReused ?? 0);
      split.bestEpoch = counts.bestEpoch ?? null;
      split.bestAuc = counts[`auc${split.k}`] ?? null;
      split.auc = split.bestAuc;
    }
  }

  private steer(epochs: number): void {
    this.state.epochs = epochs;
    const perEpoch = this.plan.iterations / this.plan.epochs;
    for (const split of this.state.splits) {
      split.epochs = epochs;
      split.iterations = Math.round(perEpoch * epochs);
    }
  }

  private outOfPatience(): boolean {
    if (this.patience === null || this.state.evaluations.length === 0) return false;
    return this.state.evaluations.length - 1 - this.state.evaluations.indexOf(this.best()) >= this.patience;
  }
}

function meanAuc({ auc }: EvaluatedSnapshot): number {
  const known = auc.filter(value => value !== null);
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length;
}
