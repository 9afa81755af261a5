/** The state of one training between two segments. */
import type { EvaluatedSnapshot, SegmentResult, TrainingPlan } from '../activities/training/types.ts';
import type { SplitProgress } from './progress.ts';

/** How far a training is, what it has come to, and when it ends. */
export class Journey {
  readonly segments: string[] = [];
  readonly evaluations: EvaluatedSnapshot[] = [];
  readonly splits: SplitProgress[];
  epochs: number;
  /** The number of epochs that somebody asked for while it ran; null when it went as planned. */
  steeredTo: number | null = null;
  /** Segments that are trained or being trained. */
  private begun = 0;
  private stopped = false;
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
      lost: { attempts: 0, iterations: 0, seconds: 0 },
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

  trained(result: SegmentResult): void {
    this.segments.push(result.key);
    for (const split of this.splits) {
      split.epoch = result.epoch;
      split.iteration = result.iteration;
      split.loss = result.loss;
      if (result.reused) split.segmentsReused++;
      else split.segmentsTrained++;
      split.lost = {
        attempts: split.lost.attempts + result.lost.attempts,
        iterations: split.lost.iterations + result.lost.iterations,
        seconds: split.lost.seconds + result.lost.seconds,
      };
    }
  }

  judged(result: EvaluatedSnapshot): void {
    this.evaluations.push(result);
    for (const [i, split] of this.splits.entries()) {
      const auc = result.auc[i] ?? null;
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

  /** More epochs; a training that somebody stopped stays stopped. */
  extend(epochs: number): void {
    if (!this.stopped) this.steer(this.epochs + epochs);
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

function meanAuc({ auc }: EvaluatedSnapshot): number {
  const known = auc.filter(value => value !== null);
  return known.length === 0 ? 0 : known.reduce((sum, value) => sum + value, 0) / known.length;
}
