/** Recovery from corrupt stored objects: the stages that wrote them run again. */
import { ApplicationFailure, log } from '@temporalio/workflow';
import type { StagePlace } from '../storage/manifest.ts';

/** A store that corrupts objects more often needs human attention. */
const MAX_REPAIRS = 5;

interface Corruption {
  /** Description of the corruption for users. */
  reason: string;
  /** Stages to run again. */
  stages: readonly StagePlace[];
}

/** Runs the children of the pipeline, and reruns an earlier one when a later one finds its output corrupt. */
export class Repairs {
  private readonly makers = new Map<string, () => Promise<unknown>>();
  private readonly running = new Map<string, Promise<unknown>>();
  private readonly upstream: Readonly<Record<string, string>>;
  private readonly show: (child: string, reason: string | null) => void;

  /**
   * @param upstream keys of the finished stages, by the name of their child
   * @param show gets the reason why a child runs again, and null when it has ended
   */
  constructor(upstream: Readonly<Record<string, string>>, show: (child: string, reason: string | null) => void) {
    this.upstream = upstream;
    this.show = show;
  }

  /** Runs a child until it succeeds, fails for another reason than corruption, or has been repaired `MAX_REPAIRS` times. */
  async run<Result>(child: string, start: () => Promise<Result>): Promise<Result> {
    this.makers.set(child, () => this.run(child, start));
    for (let repairs = 0; ; repairs++) {
      try {
        return await start();
      } catch (error) {
        const corruption = corruptionOf(error);
        if (!corruption || repairs === MAX_REPAIRS) throw error;
        log.warn(corruption.reason, { child });
        for (const place of corruption.stages) {
          const maker = this.makerOf(place) ?? child;
          if (maker !== child) await this.makeAgain(maker, corruption.reason);
        }
      }
    }
  }

  /** Runs a child again. Concurrent requests for the same child share one run. */
  private async makeAgain(child: string, reason: string): Promise<void> {
    let repair = this.running.get(child);
    if (!repair) {
      this.show(child, reason);
      repair = this.makers.get(child)!();
      this.running.set(child, repair);
    }
    try {
      await repair;
    } finally {
      this.running.delete(child);
      this.show(child, null);
    }
  }

  /** Returns the child that makes a stage. The trainings share a stage folder, and the download child draws the synthetic eyes. */
  private makerOf({ stage, key }: StagePlace): string | undefined {
    const name = Object.keys(this.upstream).find(child => this.upstream[child] === key) ?? stage;
    return [name, ...(stage === 'synthetic' ? ['download'] : [])].find(child => this.makers.has(child));
  }
}

/** Returns the corruption that caused a failure. Returns null for another failure, or if no stage can be made again. */
function corruptionOf(error: unknown): Corruption | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof ApplicationFailure) || cause.type !== 'CorruptObject') continue;
    const [stages = []] = (cause.details ?? []) as [StagePlace[]?];
    return stages.length > 0 ? { reason: cause.message, stages } : null;
  }
  return null;
}
