/** The budget as the run keeps it: its trainings ask before they spend, and wait where the next task would be too much. */
import { ApplicationFailure, getExternalWorkflowHandle, setHandler } from '@temporalio/workflow';
import type { Progress } from './progress.ts';
import { type Allowance, type Budget, Purse, type SpendRequest } from './purse.ts';
import * as signals from './signals.ts';

export class BudgetBrake {
  private readonly run: string;
  private readonly progress: Progress;
  private readonly show: () => void;
  private purse: Purse | undefined;

  /** Listens from now on. */
  constructor(run: string, progress: Progress, show: () => void) {
    this.run = run;
    this.progress = progress;
    this.show = show;
    setHandler(signals.spendSignal, request => this.take(request));
    setHandler(signals.raiseBudgetUpdate, limit => this.raise(limit), {
      validator: limit => {
        const reason = this.cannotRaise(limit);
        if (reason !== null) throw ApplicationFailure.nonRetryable(`Refused: ${reason}`, 'Refused');
      },
      description: 'Another limit of the budget, in its currency: a run that waits for it goes on',
    });
    setHandler(signals.raiseBudgetSignal, limit => this.signalled(limit));
  }

  /** @param trainings how many share the budget */
  begin(budget: Budget, trainings: number): void {
    this.purse = new Purse(budget, trainings);
    this.progress.budget = { ...budget, spent: 0, waiting: [] };
  }

  private async take(request: SpendRequest): Promise<void> {
    await this.tell(this.purse?.ask(request) ?? []);
  }

  private async raise(limit: number): Promise<signals.SteeringAnswer> {
    if (this.progress.budget) this.progress.budget.limit = limit;
    await this.tell(this.purse?.raise(limit) ?? []);
    const { currency = '', waiting = [] } = this.progress.budget ?? {};
    const then = waiting.length > 0 ? `${waiting.length} trainings still wait for more` : 'going on';
    const plan = `the limit is ${limit} ${currency}: ${then}`;
    this.note(plan);
    return { state: this.progress.state, plan };
  }

  /** Nobody waits for an answer to a signal: why it was refused stands in the details. */
  private async signalled(limit: number): Promise<void> {
    const refusal = this.cannotRaise(limit);
    if (refusal === null) await this.raise(limit);
    else this.note(`refused: ${refusal}`);
  }

  private note(plan: string): void {
    this.progress.steering.push({ asked: 'raiseBudget', plan, at: Date.now() });
    this.show();
  }

  private async tell(allowed: readonly Allowance[]): Promise<void> {
    const { purse, progress } = this;
    if (purse && progress.budget) Object.assign(progress.budget, { spent: purse.spent, waiting: purse.waiting });
    this.show();
    const told = allowed.map(({ name, ceiling }) =>
      getExternalWorkflowHandle(`${this.run}/${name}`).signal(signals.steeringSignal, { kind: 'spend', ceiling }),
    );
    // A training that has just ended needs nothing more.
    await Promise.allSettled(told);
  }

  private cannotRaise(limit: number): string | null {
    const { budget } = this.progress;
    if (!budget) return 'the run has no budget: `budget` in its input sets one';
    if (typeof limit !== 'number' || !Number.isFinite(limit)) return `a limit must be a number, not ${limit}`;
    const { spent, currency } = budget;
    return limit < spent ? `${limit} ${currency} are less than the ${spent.toFixed(2)} that are spent` : null;
  }
}
