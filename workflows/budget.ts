/** Budget of a run: pauses the run when the next epochs of its trainings would cost more than is left. */
import { onRequest } from './handlers.ts';
import type { Progress, TrainingCost } from './progress.ts';
import type { Steering } from './run-control.ts';
import { raiseBudgetRequest, type SteeringAnswer } from './signals.ts';

export class Budget {
  private readonly progress: Progress;
  private readonly steering: Steering;
  /** GPU seconds by training; `next` is null before its first epoch has ended. */
  private readonly costs = new Map<string, { spent: number; next: number | null }>();
  /** GPU seconds of the latest finished epoch: the estimate for a training that has reported nothing yet. */
  private usual = 0;
  private pausing = false;

  /** Registers the handlers of `raiseBudget`. */
  constructor(progress: Progress, steering: Steering) {
    this.progress = progress;
    this.steering = steering;
    onRequest(raiseBudgetRequest, {
      description: 'Another limit of the budget, in its currency: a run that is paused by it goes on',
      refusal: limit => this.cannotRaise(limit),
      act: limit => this.raise(limit),
      note: (asked, refused) => this.steering.answer(asked, refused),
    });
  }

  begin(trainings: readonly string[]): void {
    for (const name of trainings) this.costs.set(name, { spent: 0, next: null });
  }

  /** Records that a training has ended an epoch or all its work. Pauses or resumes the run as the budget requires. */
  async take(name: string, { spent, next }: TrainingCost): Promise<void> {
    if (next > 0) this.usual = next;
    this.costs.set(name, { spent, next });
    await this.settle();
  }

  private async settle(): Promise<void> {
    const { budget } = this.progress;
    if (!budget) return;
    const money = (seconds: number) => (seconds / 3600) * budget.perGpuHour;
    const due = [...this.costs].map(([name, { next }]) => ({ name, cost: money(next ?? this.usual) }));
    budget.spent = [...this.costs.values()].reduce((sum, { spent }) => sum + money(spent), 0);
    const tooMuch = due.reduce((sum, { cost }) => sum + cost, budget.spent) > budget.limit;
    budget.waiting = tooMuch ? due.filter(({ cost }) => cost > 0) : [];
    const paused = budget.waiting.length > 0;
    // A run that a user has paused stays paused.
    if (paused === this.pausing || (paused && this.steering.paused())) return;
    this.pausing = paused;
    await (paused ? this.steering.halt() : this.steering.goOn());
  }

  private async raise(limit: number): Promise<SteeringAnswer> {
    const { budget } = this.progress;
    if (budget) budget.limit = limit;
    await this.settle();
    const { currency = '', waiting = [] } = budget ?? {};
    const then = waiting.length > 0 ? `${waiting.length} trainings still wait for more` : 'going on';
    return this.steering.answer('raiseBudget', `the limit is ${limit} ${currency}: ${then}`);
  }

  private cannotRaise(limit: number): string | null {
    const { budget } = this.progress;
    if (!budget) return 'the run has no budget: `budget` in its input sets one';
    const { spent, currency } = budget;
    return limit < spent ? `${limit} ${currency} are less than the ${spent.toFixed(2)} that are spent` : null;
  }
}
