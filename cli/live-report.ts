/** Keeps a copy of the page of a running run in a folder, for a browser that looks there. */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { getIfThere } from '../storage/files.ts';
import type { ArtifactStore } from '../storage/store.ts';

const EVERY_MS = 5_000;

/** Copies `<prefix>report.html` whenever it has changed, a last time when `signal` is aborted; what fails is tried again. */
export async function keepReport(
  store: ArtifactStore,
  prefix: string,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  let last: Buffer | undefined;
  for (;;) {
    const ends = signal.aborted;
    try {
      const page = await getIfThere(store, `${prefix}report.html`);
      if (page && !(last && page.equals(last))) {
        await mkdir(folder, { recursive: true });
        const file = join(folder, 'report.html');
        await writeFile(`${file}.live`, page);
        await rename(`${file}.live`, file);
        last = page;
      }
    } catch {
      // The store may be away for a while: the run says so if it matters.
    }
    if (ends) return;
    await sleep(EVERY_MS, undefined, { signal }).catch(() => {});
  }
}
