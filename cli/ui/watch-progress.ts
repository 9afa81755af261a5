/** Displays a running execution until it ends. */
import { statfs } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { STAGES, type Stage } from '../../config/stages.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import type { Progress } from '../../workflows/progress.ts';
import type { PipelineHandle } from '../local/pipeline-client.ts';
import { folderGone } from '../local/run-dir.ts';
import { doesNotFit } from '../local/workflow-task.ts';
import type { Console } from './console.ts';
import { CALL_MS, type Live, readLive } from './pending-activities.ts';
import { endedLine, plainLine, progressLines, type View } from './progress-view.ts';

export interface FollowOptions {
  client: Client;
  handle: PipelineHandle;
  run: string;
  screen: Console;
  /** Out folder, whose disk is watched; undefined where the run is on another machine. */
  out?: string;
  /** Receives each answer of the run. */
  onProgress?: (progress: Progress) => void;
  /** Returns further lines to show below the progress. */
  below?: () => string[];
  /** Ends the display, not the run. */
  signal: AbortSignal;
}

const TERMINAL_EVERY_MS = 500;
/** Interval in a log file: long enough to stay readable, and short enough to show that the run is alive. */
const PLAIN_EVERY_MS = 10_000;
const QUIET_MS = 25_000;
const POLL_EVERY_MS = 1_000;
/** Time without progress, with a full disk or a source that refuses every connection, after which the command ends. */
const NOTHING_BUT_MS = 60_000;
const FULL_DISK_BYTES = 8 << 20;
const NOTHING: Live = { parts: [], shards: [], segments: [], troubles: [] };

/**
 * Resolves when the execution has ended, for whatever reason, or `signal` is aborted. No call is in flight afterwards.
 * @throws UserError after a minute without progress on a full disk, or with a source that refuses every connection. Also when the
 *   history of the run does not fit the code of the workers. The run stays resumable.
 */
export async function follow(options: FollowOptions): Promise<void> {
  const { client, handle, run, screen, out, onProgress, below, signal } = options;
  const shown = new Set<Stage>();
  const disk = new FullDisk();
  let view: View | undefined;
  let toldAt = 0;
  let told = '';
  const draw = () => {
    if (view) screen.picture([...progressLines(view), ...(below?.() ?? [])]);
  };
  // The lines below are redrawn at their own pace, also while the server does not answer.
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
      if (live.stuck !== undefined) throw doesNotFit(live.stuck, out === undefined ? run : undefined);
      if (out !== undefined) {
        checkSource(live, progress);
        await disk.check(out, live, progress);
      }
      await sleep(screen.terminal ? TERMINAL_EVERY_MS : POLL_EVERY_MS, undefined, { signal }).catch(() => {});
    }
    draw();
  } finally {
    clearInterval(drawing);
  }
  screen.settle();
}

/** Returns whether the execution is running. A server that does not answer, for instance during its restart, has not ended it. */
async function isRunning(client: Client, handle: PipelineHandle): Promise<boolean> {
  try {
    const { status } = await briefly(client, () => handle.describe());
    return status.name === 'RUNNING';
  } catch {
    return true;
  }
}

/** Returns the answer to the query `progress`; undefined while no workflow worker answers. */
async function query(client: Client, handle: PipelineHandle): Promise<Progress | undefined> {
  try {
    return await briefly(client, () => handle.query<Progress, []>('progress'));
  } catch {
    return undefined;
  }
}

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

/** Detects a run that only waits for disk space. */
class FullDisk {
  private since: number | undefined;
  private before = '';

  async check(folder: string, { troubles, ...live }: Live, progress: Progress | undefined): Promise<void> {
    const { bavail, bsize } = await statfs(folder).catch(error => {
      throw codeOf(error) === 'ENOENT' ? folderGone(folder) : error;
    });
    const full = bavail * bsize < FULL_DISK_BYTES || troubles.some(t => /ENOSPC|no space/i.test(t.message));
    const now = JSON.stringify([live, progress?.stages, progress?.splits]);
    if (!full || now !== this.before) {
      this.since = undefined;
      this.before = now;
      return;
    }
    this.since ??= Date.now();
    if (Date.now() - this.since >= NOTHING_BUT_MS) {
      throw new UserError(
        `Expected space on the disk of ${folder}, got none for a minute: free some and start again, the run goes on where it is`,
      );
    }
  }
}

/** Throws for a source that refuses every connection from the start: mostly a wrong address, or a server that is not started. */
function checkSource({ troubles }: Live, progress: Progress | undefined): void {
  const since = progress?.stages.download.startedAt ?? Date.now();
  const refused = troubles.some(t => t.activity === 'listFiles' && t.message.includes('ECONNREFUSED'));
  if (!refused || Date.now() - since < NOTHING_BUT_MS) return;
  throw new UserError(
    `Expected the source ${progress?.source} to answer, got ECONNREFUSED for a minute: see that it runs and that the address is right, and start again`,
  );
}
