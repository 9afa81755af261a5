/** The state of one training between two segments. */
import type { EvaluatedSnapshot, LostWork, SegmentResult, TrainingPlan } from '../activities/training/types.ts';
import type { SplitProgress } from './progress.ts';

const NOTHING_LOST: LostWork = { attempts: 0, iterations: 0, seconds: 0, reasons: {} };

/** How far a training is, what it has come to, and when it ends. */
export class Journey {
  readonly segments: string[] = [];
  readonly evaluations: EvaluatedSnapshot[] = [];
  readonly splits: SplitProgress[];
  epochs: number;
  /** The number of epochs that somebody asked for while it ran; null when it went as planned. */
  steeredTo: number | null = null;
  /** Rates that somebody gave for the epochs after the one named. */
  readonly rates: { after: number; rate: number }[] = [];
  /** Segments that are trained or being trained. */
  private begun = 0;
  private stopped = false;
  /** By segment, since one may be trained again. */
  private readonly lost: SegmentResult['lost'][] = [];
  /** Segments whose pairs were removed from the store, or are held by somebody else. */
  private readonly dropped = new Set<string>();
  private lastReused = false;
  private readonly plan: TrainingPlan;
  private readonly patience: number | null;

  constructor(name: string, heads: readonly number[], plan: TrainingPlan, patience: number | null) {
    this.plan = plan;
    this.patience = patience;
    this.epochs = plan.epochs;
    this.splits = heads.map(k => ({
      k,
      name,
      epoch: 0,
      epochs: plan.epochs,
      iteration: 0,
      iterations: plan.iterations,
      loss: null,
      accuracy: null,
      auc: null,
      bestAuc: null,
      bestEpoch: null,
      segmentsTrained: 0,
      segmentsReused: 0,
      lost: NOTHING_LOST,
    }));
  }

  get previous(): string | null {
    return this.segments.at(-1) ?? null;
  }

  goesOn(): boolean {
    const atEpochsEnd = this.segments.length % this.plan.segmentsPerEpoch === 0;
    return !(atEpochsEnd && (this.segments.length >= this.epochs * this.plan.segmentsPerEpoch || this.outOfPatience()));
  }

  next(): { segment: number; epoch: number; last: boolean } {
    const segment = this.segments.length;
    this.begun = segment + 1;
    return {
      segment,
      epoch: Math.floor(segment / this.plan.segmentsPerEpoch) + 1,
      last: (segment + 1) % this.plan.segmentsPerEpoch === 0,
    };
  }

  /** Segments until the epoch ends. */
  leftOfEpoch(): number {
    return this.plan.segmentsPerEpoch - (this.segments.length % this.plan.segmentsPerEpoch);
  }

  /** @param dropped the pairs that were to be removed with it */
  trained(result: SegmentResult, dropped: readonly string[] = []): void {
    this.segments.push(result.key);
    this.lost[result.segment] = result.lost;
    this.lastReused = result.reused;
    if (!result.reused) for (const key of dropped) this.dropped.add(key);
    const lost = total(this.lost);
    for (const split of this.splits) {
      split.epoch = result.epoch;
      split.iteration = result.iteration;
      split.loss = result.loss;
      if (result.reused) split.segmentsReused++;
      else split.segmentsTrained++;
      split.lost = lost;
    }
  }

  /** A segment whose pair could not be used has one again. What it had cost before is among what is lost now. */
  trainedAgain(result: SegmentResult): void {
    this.lost[result.segment] = result.lost;
    this.dropped.delete(result.key);
    const lost = total(this.lost);
    for (const split of this.splits) split.lost = lost;
  }

  /** Segments whose pairs the training may still need: the last two, should one be spoilt, and the best. */
  toKeep(): string[] {
    const best = this.evaluations.length > 0 ? [this.best().snapshot] : [];
    return [...new Set([...this.segments.slice(-2), ...best])];
  }

  /** The others. None on the way over segments that were finished before: what they left can wait for the first that is not. */
  toDrop({ atLast = false } = {}): string[] {
    if (this.lastReused && !atLast) return [];
    const keep = new Set(this.toKeep());
    return this.segments.filter(key => !keep.has(key) && !this.dropped.has(key));
  }

  judged(result: EvaluatedSnapshot): void {
    this.evaluations.push(result);
    for (const [i, split] of this.splits.entries()) {
      const auc = result.auc[i] ?? null;
      const trainingAuc = result.training?.auc[i] ?? null;
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

  /** The snapshot of the highest mean AUC on the validation fold; the earlier one of two equals. */
  best(): EvaluatedSnapshot {
    return this.evaluations.reduce((best, e) => (meanAuc(e) > meanAuc(best) ? e : best));
  }

  /** No more epochs than the one that has begun. */
  stopEarly(): void {
    this.stopped = true;
    this.steer(Math.max(1, Math.ceil(this.begun / this.plan.segmentsPerEpoch)));
  }

  /** More epochs, at the rate of the planned end or at the given one; a training that somebody stopped stays stopped. */
  extend(epochs: number, rate?: number): void {
    if (this.stopped) return;
    if (rate !== undefined) this.rates.push({ after: this.epochs, rate });
    this.steer(this.epochs + epochs);
  }

  /** The rate that somebody gave for a segment beyond the planned end. */
  rateOf(segment: number): { rate?: number } {
    const epoch = Math.floor(segment / this.plan.segmentsPerEpoch) + 1;
    const given = this.rates.findLast(({ after }) => epoch > after);
    return given ? { rate: given.rate } : {};
  }

  counts(): Record<string, number> {
    const [first] = this.splits;
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
    for (const split of this.splits) if (split.bestAuc !== null) counts[`auc${split.k}`] = split.bestAuc;
    return counts;
  }

  /** Fills the figures in from the counts of a training that was done before. */
  recall(counts: Record<string, number>): void {
    for (const split of this.splits) {
      split.epoch = counts.epochs ?? 0;
      split.iteration = counts.iterations ?? 0;
      split.segmentsReused = (counts.segmentsTrained ?? 0) + (counts.segmentsReused ?? 0);
      split.bestEpoch = counts.bestEpoch ?? null;
      split.bestAuc = counts[`auc${split.k}`] ?? null;
      split.auc = split.bestAuc;
    }
  }

  private steer(epochs: number): void {
    this.epochs = epochs;
    this.steeredTo = epochs === this.plan.epochs ? null : epochs;
    const perEpoch = this.plan.iterations / this.plan.epochs;
    for (const split of this.splits) {
      split.epochs = epochs;
      split.iterations = Math.round(perEpoch * epochs);
    }
  }

  private outOfPatience(): boolean {
    if (this.patience === null || this.evaluations.length === 0) return false;
    return this.evaluations.length - 1 - this.evaluations.indexOf(this.best()) >= this.patience;
  }
}

function total(all: readonly SegmentResult['lost'][]): LostWork {
  const sum: LostWork = { ...NOTHING_LOST, reasons: {} };
  for (const { attempts, iterations, seconds, reasons = {} } of all) {
    sum.attempts += attempts;
    sum.iterations += iterations;
    sum.seconds += seconds;
    for (const [reason, n] of Object.entries(reasons) as [keyof LostWork['reasons'], number][])
      sum.reasons[reason] = (sum.reasons[reason] ?? 0) + n;
  }
  return sum;
}

function meanAuc({ auc }: EvaluatedSnapshot): number {
  const known = auc.filter(value => value !== null);
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length;
}
