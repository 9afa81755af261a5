/** The budget as a training sees it: before each task on a graphics card it has leave for what that will take, or waits for it. */
import { condition, getExternalWorkflowHandle, workflowInfo } from '@temporalio/workflow';
import type { SegmentResult } from '../activities/training/types.ts';
import { spendSignal } from './signals.ts';

/** Tasks that the next one is judged by: the most expensive of them. */
const REMEMBERED = 3;

export type Task = 'segment' | 'judging' | 'scoring';

interface MayBegin {
  /** Segments until the epoch ends, this one included. */
  left?: number;
  /** Whether the task is still to be done: somebody may stop the training while it waits. */
  wanted?: () => boolean;
}

export class Spending {
  private readonly name: string;
  private readonly on: boolean;
  private ceiling = 0;
  private allowed = false;
  private others = 0;
  /** Seconds by segment: one that is trained again has cost both. */
  private readonly segments: number[] = [];
  private readonly last: Record<Task, number[]> = { segment: [], judging: [], scoring: [] };
  private readonly foundBefore: readonly SegmentResult[];

  /**
   * @param on whether the run has a budget
   * @param foundBefore segments that cost this run nothing
   */
  constructor(on: boolean, name: string, foundBefore: readonly SegmentResult[]) {
    this.on = on;
    this.name = name;
    this.foundBefore = foundBefore;
    for (const { seconds, lost } of foundBefore.slice(-REMEMBERED)) this.remember('segment', seconds + lost.seconds);
  }

  /** The run allows more. */
  allow(ceiling: number): void {
    this.ceiling = ceiling;
    this.allowed = true;
  }

  /** Resolves when the task can be paid, or is not wanted any more. */
  async mayBegin(task: Task, { left = 1, wanted = () => true }: MayBegin = {}): Promise<void> {
    if (!this.on) return;
    const need = this.expected(task);
    if (need !== null && this.spent + need <= this.ceiling) return;
    this.allowed = false;
    await this.tell(need, (need ?? 0) * left);
    await condition(() => this.allowed || !wanted());
  }

  trained({ segment, seconds, lost }: SegmentResult): void {
    const before = this.foundBefore[segment];
    const cost = seconds + lost.seconds - (before ? before.seconds + before.lost.seconds : 0);
    this.remember('segment', cost - (this.segments[segment] ?? 0));
    this.segments[segment] = cost;
  }

  /** @param seconds undefined in histories of older releases */
  did(task: Task, seconds = 0): void {
    this.others += seconds;
    this.remember(task, seconds);
  }

  /** After the last task: what is left of its allowance is for the others. */
  async end(): Promise<void> {
    if (this.on) await this.tell(0, 0);
  }

  private get spent(): number {
    return this.segments.reduce((sum, seconds) => sum + seconds, this.others);
  }

  /** Of a kind that was not done yet the most expensive of the others is taken. */
  private expected(task: Task): number | null {
    const known = this.last[task].length > 0 ? this.last[task] : Object.values(this.last).flat();
    return known.length === 0 ? null : Math.max(...known);
  }

  private remember(task: Task, seconds: number): void {
    if (seconds > 0) this.last[task] = [...this.last[task], seconds].slice(-REMEMBERED);
  }

  private async tell(need: number | null, wanted: number): Promise<void> {
    const { parent } = workflowInfo();
    if (!parent) return;
    await getExternalWorkflowHandle(parent.workflowId, parent.runId).signal(spendSignal, {
      ...{ name: this.name, spent: this.spent, need, wanted },
    });
  }
}
