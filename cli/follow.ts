/** Shows a running execution until it ends. */
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { STAGES, type Stage } from '../config/stages.ts';
import type { Progress } from '../workflows/progress.ts';
import type { Console } from './console.ts';
import type { PipelineHandle } from './execution.ts';
import { type Live, readLive } from './live.ts';
import { endedLine, plainLine, progressLines, type View } from './progress-view.ts';
import { UserError } from './user-error.ts';

export interface FollowOptions {
  client: Client;
  handle: PipelineHandle;
  run: string;
  screen: Console;
  /** Its disk is watched; undefined where the run is elsewhere. */
  out?: string;
  /** Sees each answer of the run. */
  onProgress?: (progress: Progress) => void;
  /** Further lines of the picture. */
  below?: () => string[];
  /** Ends the following, not the run. */
  signal: AbortSignal;
}

const TERMINAL_EVERY_MS = 500;
/** Lines in a log file: seldom enough to read, often enough that nobody thinks it hangs. */
const PLAIN_EVERY_MS = 10_000;
const QUIET_MS = 25_000;
const POLL_EVERY_MS = 1_000;
/** So long nothing but a full disk, and the command ends. */
const FULL_DISK_MS = 60_000;
const FULL_DISK_BYTES = 8 << 20;
const NOTHING: Live = { parts: [], shards: [], segments: [], troubles: [] };

/**
 * Resolves when the execution has ended, in whatever way, or `signal` is aborted. No call is in flight afterwards.
 * @throws UserError after a minute of nothing but a full disk; the run stays resumable
 */
export async function follow({
  client,
  handle,
  run,
  screen,
  out,
  onProgress,
  below,
  signal,
}: FollowOptions): Promise<void> {
  const shown = new Set<Stage>();
  const disk = new FullDisk();
  let view: View | undefined;
  let toldAt = 0;
  let told = '';
  const draw = () => {
    if (view) screen.picture([...progressLines(view), ...(below?.() ?? [])]);
  };
  // What stands below has its own pace: it tells of a server that does not answer, too.
  const drawing = below && setInterval(draw, TERMINAL_EVERY_MS);
  try {
    while (!signal.aborted) {
      const running = await isRunning(client, handle);
      const progress = await query(client, handle);
      const live = running ? await readLive(client, run).catch(() => NOTHING) : NOTHING;
      if (progress) {
        onProgress?.(progress);
        view = { progress, live, now: Date.now(), columns: screen.columns };
        if (screen.terminal) {
          draw();
        } else {
          showEnded(progress, shown, screen);
          const line = plainLine(view);
          const quiet = Date.now() - toldAt;
          if (running && (quiet >= QUIET_MS || (quiet >= PLAIN_EVERY_MS && line !== told))) {
            toldAt = Date.now();
            told = line;
            screen.line(`  ${line}`);
          }
        }
      }
      if (!running) break;
      if (out !== undefined) await disk.check(out, live, progress);
      await pause(screen.terminal ? TERMINAL_EVERY_MS : POLL_EVERY_MS, signal);
    }
    draw();
  } finally {
    clearInterval(drawing);
  }
  screen.settle();
}

/** Whether the execution goes on; a server that does not answer, as it is started again, has not ended it. */
async function isRunning(client: Client, handle: PipelineHandle): Promise<boolean> {
  try {
    const { status } = await briefly(client, () => handle.describe());
    return status.name === 'RUNNING';
  } catch {
    return true;
  }
}

/** The answer to `progress`; undefined while no workflow worker answers. */
async function query(client: Client, handle: PipelineHandle): Promise<Progress | undefined> {
  try {
    return await briefly(client, () => handle.query<Progress, []>('progress'));
  } catch {
    return undefined;
  }
}

/** No call holds the picture, or an end that was asked for, longer than this. */
const CALL_MS = 3_000;

function briefly<Answer>(client: Client, call: () => Promise<Answer>): Promise<Answer> {
  return client.withDeadline(Date.now() + CALL_MS, call);
}

function showEnded(progress: Progress, shown: Set<Stage>, screen: Console): void {
  for (const stage of STAGES) {
    const { state } = progress.stages[stage];
    if ((state === 'done' || state === 'reused') && !shown.has(stage)) {
      shown.add(stage);
      screen.line(`  ${endedLine(stage, progress.stages[stage])}`);
    }
  }
}

/** Notices when a run only waits for space. */
class FullDisk {
  private since: number | undefined;
  private before = '';

  async check(folder: string, { troubles, ...live }: Live, progress: Progress | undefined): Promise<void> {
    const { bavail, bsize } = await statfs(folder);
    const full = bavail * bsize < FULL_DISK_BYTES || troubles.some(t => /ENOSPC|no space/i.test(t.message));
    const now = JSON.stringify([live, progress?.stages, progress?.splits]);
    if (!full || now !== this.before) {
      this.since = undefined;
      this.before = now;
      return;
    }
    this.since ??= Date.now();
    if (Date.now() - this.since >= FULL_DISK_MS) {
      throw new UserError(
        `Expected space on the disk of ${folder}, got none for a minute: free some and start again, the run goes on where it is`,
      );
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return sleep(ms, undefined, { signal }).catch(() => {});
}
