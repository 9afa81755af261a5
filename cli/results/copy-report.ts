/** Copies of a run's report from the store. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { listReportFiles, readReportFile } from '../../activities/run/report-files.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import { runFolder } from '../../storage/key-syntax.ts';
import { openStore } from '../../storage/open.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { writeWhole } from '../local/atomic-dir.ts';

/** Copies a run's report into a folder, each file atomically. @throws CorruptObject; UserError when there is no report */
export async function copyReport(store: ArtifactStore, run: string, folder: string): Promise<void> {
  const names = await listReportFiles(store, run);
  if (names.length === 0) {
    throw new UserError(`Expected a report at ${runFolder(run)}/report/ in ${store.url}, got nothing`);
  }
  await mkdir(folder, { recursive: true }).catch(error => {
    throw new UserError(`Expected ${folder} to be a folder that can be written, got ${codeOf(error)}`);
  });
  for (const name of names) await copyFile(store, run, name, folder);
}

const EVERY_MS = 5_000;

/** Copies the page of a running run every five seconds, for an open browser. Copies a last time when `signal` is aborted. */
export async function keepReport(
  store: ArtifactStore,
  run: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  for (let last = false; !last; ) {
    last = signal.aborted;
    await mkdir(folder, { recursive: true })
      .then(() => copyFile(store, run, 'report.html', folder))
      // The store may be unavailable for a while. The run reports that if it matters.
      .catch(() => {});
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

async function copyFile(store: ArtifactStore, run: string, name: string, folder: string): Promise<void> {
  const content = await readReportFile(store, run, name);
  const file = join(folder, name.replaceAll('/', '_'));
  if (content) await writeWhole(file, content, `${file}.new`);
}

export async function report(run: string, options: { to: string; store?: string }): Promise<number> {
  const url = options.store ?? process.env.RETINOPATHY_STORE;
  if (!url) throw new UserError('Expected --store or RETINOPATHY_STORE to name the store, got nothing');
  const folder = resolve(options.to);
  await copyReport(await openStore(url), run, folder);
  process.stdout.write(`${folder}\n`);
  return 0;
}
