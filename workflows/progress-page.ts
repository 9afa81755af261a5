/** Rewrites the report of a running run as it changes. The run does not wait for it, and its failure does not fail the run. */
import { CancellationScope, condition, log } from '@temporalio/workflow';
import type { RunProgress } from '../activities/report/types.ts';
import type { EpochPoint } from '../activities/run/types.ts';
import { pageActivities } from './activities.ts';
import type { Progress } from './progress.ts';

/** Upper limit of pages during the training stage: each page is an activity in the history. */
const PAGES = 200;
/** Points of each curve on a page. */
const POINTS = 100;

export class ProgressPage {
  private readonly progress: () => Progress;
  private readonly writing: Promise<void>;
  private changed = false;
  private closed = false;
  private epochs = 0;

  constructor(progress: () => Progress) {
    this.progress = progress;
    this.writing = CancellationScope.nonCancellable(() => this.keepWriting());
  }

  /** Requests a page after a stage has started or ended, or the run was paused. Changes during a write share the next page. */
  renew(): void {
    this.changed = true;
  }

  /** Requests a page after epochs were evaluated; skips the request if the last one was too few epochs ago for `PAGES`. */
  renewForEpoch(): void {
    const { splits, stages } = this.progress();
    const done = splits.reduce((sum, { epoch }) => sum + epoch, 0);
    if (done - this.epochs < Math.ceil(stages.train.of / PAGES)) return;
    this.epochs = done;
    this.renew();
  }

  /** Stops the writing of pages and waits for the current one, so that none overwrites the report. */
  async close(): Promise<void> {
    this.closed = true;
    await this.writing;
  }

  /** Writes the last page of a run that ends without a report. */
  async end(state: 'finished' | 'failed', why: string | null): Promise<void> {
    await CancellationScope.nonCancellable(async () => {
      await this.close();
      await this.write(state, why);
    });
  }

  private async keepWriting(): Promise<void> {
    for (;;) {
      await condition(() => this.changed || this.closed);
      if (this.closed) return;
      this.changed = false;
      await this.write(this.progress().state === 'paused' ? 'paused' : 'running', null);
    }
  }

  private async write(state: RunProgress['state'], why: string | null): Promise<void> {
    const { run, stages, splits } = this.progress();
    const shown = splits.map(split => ({ ...split, curve: downsample(split.curve, POINTS) }));
    try {
      await pageActivities.writeProgressPage.executeWithOptions({ summary: 'report.html so far' }, [
        { run, progress: { state, why, stages, splits: shown } },
      ]);
    } catch (error) {
      log.warn('The page of the running run was not written', { error: String(error) });
    }
  }
}

/** Returns the curve with new points added, in order of their epochs; a new point replaces an earlier one of its epoch. */
export function mergeCurve(curve: readonly EpochPoint[], added: readonly EpochPoint[]): EpochPoint[] {
  const byEpoch = new Map([...curve, ...added].map(point => [point.epoch, point]));
  return [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
}

/** Keeps at most `most` points, the last one among them. */
export function downsample(curve: readonly EpochPoint[], most: number): EpochPoint[] {
  const every = Math.ceil(curve.length / most);
  return curve.filter((_, i) => (curve.length - 1 - i) % every === 0);
}
