/**
 * The journal of a segment: an object for each attempt to train it, which only that attempt writes. What a segment has cost is
 * read from there: an attempt that vanished with its machine left how far it was, any other also says why it ended.
 */
import { ApplicationFailure } from '@temporalio/activity';
import { getJson } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { CaffeError } from './run-caffe.ts';
import type { LossReason, LostWork } from './types.ts';

/** An attempt that vanishes leaves the iteration it was at so many milliseconds ago, or less. */
const WRITE_EVERY_MS = 5_000;

export interface Attempt {
  /** Names the attempt, and its folder below the segment's. */
  attempt: string;
  /** Who tries: the activity's execution, and which of its attempts this is, from 1. */
  activity: string;
  number: number;
  from: number;
  to: number;
  /** ISO 8601 */
  startedAt: string;
  /** `running` also of one that was killed: nobody was left to write more. */
  state: 'running' | 'trained' | LossReason;
  /** What it had reached when this was written, and after how many seconds. */
  iteration: number;
  seconds: number;
  /** Why it failed, in one line. */
  message?: string;
  /** The attempt whose pair cannot be used, and which this one does again. */
  instead?: Instead;
}

export interface Instead {
  attempt: string;
  reason: LossReason & ('spoilt' | 'removed');
  seconds: number;
}

/** Writes an attempt's entry. */
export class Journal {
  readonly entry: Attempt;
  private readonly store: ArtifactStore;
  private readonly key: string;
  private readonly started = Date.now();
  private written = 0;
  private writing: Promise<unknown> = Promise.resolve();

  /** @param key `stages/segment/<key>/attempts/<attempt>.json` */
  constructor(
    store: ArtifactStore,
    key: string,
    entry: Omit<Attempt, 'startedAt' | 'state' | 'iteration' | 'seconds'>,
  ) {
    this.store = store;
    this.key = key;
    const startedAt = new Date(this.started).toISOString();
    this.entry = { ...entry, startedAt, state: 'running', iteration: entry.from, seconds: 0 };
  }

  get seconds(): number {
    return (Date.now() - this.started) / 1000;
  }

  /** Notes an iteration, now and then. What cannot be noted is not worth a training. */
  reached(iteration: number): void {
    this.entry.iteration = iteration;
    if (Date.now() - this.written < WRITE_EVERY_MS) return;
    this.write().catch(() => {});
  }

  async begin(): Promise<void> {
    await this.write();
  }

  async end(state: Attempt['state'], message?: string): Promise<void> {
    this.entry.state = state;
    if (message !== undefined) this.entry.message = message.split('\n')[0]!;
    await this.write();
  }

  /** Takes the entry back: nothing was tried. */
  async withdraw(): Promise<void> {
    await this.writing;
    await this.store.remove(this.key);
  }

  /** One after the other, so that the last word is the last one written. */
  private write(): Promise<unknown> {
    this.written = Date.now();
    this.writing = this.writing
      .catch(() => {})
      .then(() => {
        this.entry.seconds = this.seconds;
        return this.store.put(this.key, Buffer.from(JSON.stringify(this.entry)), { overwrite: true });
      });
    return this.writing;
  }
}

/** Notes why an attempt did not come to its end. */
export async function noteEnd(journal: Journal, error: unknown, signal: AbortSignal): Promise<void> {
  if (error instanceof ApplicationFailure && error.type === 'SpoiltPair') return journal.withdraw();
  const message = error instanceof Error ? error.message : String(error);
  if (signal.aborted) return journal.end(leavingReason(signal), message);
  const killed = error instanceof CaffeError && (error.code === 'SIGKILL' || error.code === 'SIGTERM');
  return journal.end(killed ? 'killed' : 'failed', message);
}

/** Why somebody stopped the attempt, by the words of Temporal and those of a worker that leaves. */
function leavingReason({ reason }: AbortSignal): LossReason {
  const words = reason instanceof Error ? reason.message : String(reason);
  if (/SPOT_NOTICE/.test(words)) return 'notice';
  return /WORKER_SHUTDOWN/.test(words) ? 'shut down' : 'cancelled';
}

export async function readAttempts(store: ArtifactStore, folder: string): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  for await (const { key } of store.list(`${folder}/attempts/`)) {
    const attempt = await getJson<Attempt>(store, key);
    if (attempt) attempts.push(attempt);
  }
  return attempts;
}

/** What the attempts other than `winner` came to. What one did after its last entry is not known, and not counted. */
export function lostWork(attempts: readonly Attempt[], winner: string): LostWork {
  const lost: LostWork = { attempts: 0, iterations: 0, seconds: 0, reasons: {} };
  const replaced = new Map(attempts.flatMap(({ instead }) => (instead ? [[instead.attempt, instead] as const] : [])));
  for (const { attempt, state, from, iteration, seconds } of attempts) {
    if (attempt === winner) continue;
    const instead = replaced.get(attempt);
    // One that ended well and yet is not the segment's has lost its manifest.
    const reason = instead?.reason ?? (state === 'running' ? 'killed' : state === 'trained' ? 'spoilt' : state);
    lost.attempts++;
    lost.iterations += iteration - from;
    lost.seconds += instead?.seconds ?? seconds;
    lost.reasons[reason] = (lost.reasons[reason] ?? 0) + 1;
  }
  return lost;
}
