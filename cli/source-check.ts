/** Looks at the source and the disk before anything is started: what is missing is said at once, not by a failed activity. */
import { statfs } from 'node:fs/promises';
import { createFolderSource } from '../activities/download/folder-source.ts';
import { pickFiles } from '../activities/download/parts.ts';
import type { PipelineInput } from '../config/input.ts';
import { bytes } from './format.ts';
import { UserError } from './user-error.ts';

/** Parts, tars, databases, the workers' copies of them and snapshots, in units of the archive's size. */
const TIMES_THE_ARCHIVE = 3.5;
/** The workers' copies alone, where the store is elsewhere. */
const COPIES = 1;
/** Temporal's database, logs, the report. */
const AROUND_IT = 200e6;
/** The competition's archive. */
const KAGGLE_BYTES = 35e9;
/** Made-up photographs of one patient. */
const PATIENT_BYTES = 0.25e6;

/**
 * @returns about how many bytes the run will write; 0 where that cannot be known before
 * @throws UserError when the source is a folder that lacks a part or the labels
 */
export async function checkSource({ source, archive, synthetic }: PipelineInput): Promise<number> {
  if (source === 'synthetic') return AROUND_IT + TIMES_THE_ARCHIVE * synthetic.patients * PATIENT_BYTES;
  if (source === 'kaggle') return AROUND_IT + TIMES_THE_ARCHIVE * KAGGLE_BYTES;
  if (!source.startsWith('file:')) return 0;
  const folder = createFolderSource(source.slice('file:'.length));
  try {
    const { parts } = pickFiles(await folder.list(new AbortController().signal), archive, folder.name);
    return AROUND_IT + TIMES_THE_ARCHIVE * parts.reduce((sum, { size }) => sum + size, 0);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** What of it will lie on this machine's disk. */
export function roomHere(wanted: number, store: string): number {
  return store.startsWith('s3:') ? (wanted * COPIES) / TIMES_THE_ARCHIVE : wanted;
}

/** @throws UserError when the folder's disk has less room than a new run will want */
export async function checkRoom(folder: string, wanted: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= wanted) return;
  throw new UserError(
    `Expected about ${bytes(wanted)} free for ${folder}, got ${bytes(free)}: make room, or take another --out`,
  );
}
