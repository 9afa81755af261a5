/** Has the page of a running run written anew as it goes on. Nothing waits for it, and nothing fails by it. */
import { CancellationScope, log } from '@temporalio/workflow';
import type { ProgressPageArgs } from '../activities/progress-page/types.ts';
import { thinned } from './curve.ts';
import type { Progress } from './progress.ts';
import { pageActivities } from './proxies.ts';

/** Pages of a whole training at most: each is an activity in the history. */
const PAGES = 200;
/** Points of a curve that a page gets. */
const POINTS = 100;

export class ProgressPage {
  private readonly progress: () => Progress;
  private wanted = false;
  private closed = false;
  private writing: Promise<void> = Promise.resolve();
  private idle = true;
  private epochs = 0;

  constructor(progress: () => Progress) {
    this.progress = progress;
  }

  /** A stage has begun or ended, or the run was paused. While a page is being written, the next one waits; it is one for all that has changed. */
  renew(): void {
    if (this.closed) return;
    this.wanted = true;
    if (this.idle) this.writing = this.writeAll();
  }

  /** An epoch of a split was judged. */
  renewForEpoch(): void {
    const { splits, stages } = this.progress();
    const done = splits.reduce((sum, { epoch }) => sum + epoch, 0);
    if (done - this.epochs < Math.ceil(stages.train.of / PAGES)) return;
    this.epochs = done;
    this.renew();
  }

  /** No page after this one: the report is about to take its place. */
  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
  }

  /** The last page, of a run that ends without a report. */
  async end(state: 'finished' | 'failed', why: string | null): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      await this.close();
      await this.write(state, why);
    });
  }

  private async writeAll(): Promise<void> {
    this.idle = false;
    while (this.wanted && !this.closed) {
      this.wanted = false;
      await this.write(this.progress().state === 'paused' ? 'paused' : 'running', null);
    }
    this.idle = true;
  }

  private async write(state: ProgressPageArgs['state'], why: string | null): Promise<void> {
    try {
      await pageActivities.writeProgressPage.executeWithOptions({ summary: 'report.html so far' }, [
        { ...pageOf(this.progress()), state, why },
      ]);
    } catch (error) {
      log.warn('The page of the running run was not written', { error: String(error) });
    }
  }
}

function pageOf({ run, source, stages, splits }: Progress): Omit<ProgressPageArgs, 'state' | 'why'> {
  return {
    run,
    source,
    stages: Object.entries(stages).map(([name, { startedAt, endedAt, ...stage }]) => ({
      ...{ name, ...stage },
      seconds: startedAt === null || endedAt === null ? null : (endedAt - startedAt) / 1000,
    })),
    splits: splits.map(({ k, epoch, epochs, loss, auc, bestAuc, bestEpoch, lost, curve = [] }) => ({
      ...{ k, epoch, epochs, loss, auc, bestAuc, bestEpoch },
      attemptsLost: lost.attempts,
      curve: thinned(curve, POINTS),
    })),
  };
}
