/** The money of a run: who has spent what, and who may spend more. Pure. In seconds of a graphics card; money is for people. */
import type { PipelineInput } from '../config/input.ts';

export type Budget = NonNullable<PipelineInput['budget']>;

/** What a training tells when it comes for more. */
export interface SpendRequest {
  /** Of the training. */
  name: string;
  /** Seconds of a card that it has spent so far, attempts that were lost included. */
  spent: number;
  /** What its next task will take, by what the last ones took; null where none has ended yet. 0 asks for nothing more. */
  need: number | null;
  /** What it would spend until its epoch ends: it need not ask again before. */
  wanted: number;
}

/** Up to how many seconds in all a training may spend. */
export interface Allowance {
  name: string;
  ceiling: number;
}

interface Account {
  spent: number;
  ceiling: number;
}

export class Purse {
  private limit: number;
  private readonly budget: Budget;
  private readonly trainings: number;
  private readonly accounts = new Map<string, Account>();
  private queue: SpendRequest[] = [];
  /** The longest task of late, of any training: what one that knows nothing yet will need. */
  private usual = 0;

  /** @param trainings how many share it */
  constructor(budget: Budget, trainings: number) {
    this.budget = budget;
    this.trainings = trainings;
    this.limit = budget.limit;
  }

  /** In the budget's currency. */
  get spent(): number {
    return this.money([...this.accounts.values()].reduce((sum, { spent }) => sum + spent, 0));
  }

  /** Those whose next task would overspend, with what it would cost. */
  get waiting(): { name: string; cost: number }[] {
    return this.queue.map(request => ({ name: request.name, cost: this.money(this.needOf(request)) }));
  }

  /** Takes a request; what a training was allowed before and has not spent is there for all again. */
  ask(request: SpendRequest): Allowance[] {
    const { name, spent, need } = request;
    this.accounts.set(name, { spent, ceiling: spent });
    // Whoever was waiting has thought better of it.
    this.queue = this.queue.filter(other => other.name !== name);
    if (need !== null && need > 0) this.usual = need;
    if (need !== 0) this.queue.push(request);
    return this.allow();
  }

  raise(limit: number): Allowance[] {
    this.limit = limit;
    return this.allow();
  }

  /** Lets those go on, in the order they asked, whose next task can be paid. */
  private allow(): Allowance[] {
    const allowed: Allowance[] = [];
    for (const request of this.queue) {
      const { name, spent, wanted } = request;
      const free = this.free();
      const need = this.needOf(request);
      if (free <= 0 || free < need) continue;
      // No more at once than leaves the others as much again: near the end it is a task at a time.
      const share = Math.max(need, Math.min(wanted, free / (2 * this.trainings)));
      const ceiling = spent + share;
      this.accounts.set(name, { spent, ceiling });
      this.queue = this.queue.filter(other => other !== request);
      allowed.push({ name, ceiling });
    }
    return allowed;
  }

  private needOf({ need }: SpendRequest): number {
    return need ?? this.usual;
  }

  private free(): number {
    const taken = [...this.accounts.values()].reduce((sum, { spent, ceiling }) => sum + Math.max(spent, ceiling), 0);
    return (this.limit / this.budget.perGpuHour) * 3600 - taken;
  }

  private money(seconds: number): number {
    return (seconds / 3600) * this.budget.perGpuHour;
  }
}
