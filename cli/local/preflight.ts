/** Checks the source and the disk before anything starts, so that the user learns at once what is missing. */
import { statfs } from 'node:fs/promises';
import { createFolderSource } from '../../activities/download/folder-source.ts';
import { pickFiles } from '../../activities/download/select-files.ts';
import { pathOf } from '../../config/files.ts';
import type { PipelineInput } from '../../config/input.ts';
import { allowFiles } from '../../lib/allowed-files.ts';
import { bytes } from '../../lib/format.ts';
import { asUserError, UserError } from '../../lib/user-error.ts';

/** Bytes of parts, tars, databases, the workers' copies of them and snapshots, as a multiple of the archive's size. */
const TIMES_THE_ARCHIVE = 3.5;
/** The workers' copies alone, for a store that is elsewhere. */
const COPIES = 1;
/** Bytes of Temporal's database, the logs and the report. */
const AROUND_IT = 200e6;
/** Size of the competition's archive. */
const KAGGLE_BYTES = 35e9;
/** Bytes of the synthetic images of one patient. */
const PATIENT_BYTES = 0.25e6;

/**
 * Checks the source.
 * @returns about how many bytes the run will write; 0 where that is not known beforehand
 * @throws UserError when the source is a folder that lacks a part or the labels
 */
export async function checkSource({ source, archive, synthetic }: PipelineInput): Promise<number> {
  if (source === 'synthetic') return AROUND_IT + TIMES_THE_ARCHIVE * synthetic.patients * PATIENT_BYTES;
  if (source === 'kaggle') return AROUND_IT + TIMES_THE_ARCHIVE * KAGGLE_BYTES;
  const path = pathOf(source);
  if (path === undefined) return 0;
  const folder = createFolderSource(path, allowFiles(process.env, [path]));
  const { parts } = await asUserError(async () =>
    pickFiles(await folder.list(new AbortController().signal), archive, folder.name),
  );
  return AROUND_IT + TIMES_THE_ARCHIVE * parts.reduce((sum, { size }) => sum + size, 0);
}

/** Returns the share of these bytes that the run writes to this machine's disk. */
export function roomHere(wanted: number, store: string): number {
  return store.startsWith('s3:') ? (wanted * COPIES) / TIMES_THE_ARCHIVE : wanted;
}

/** Checks the free space of the folder's disk. @throws UserError when it is less than a new run needs */
export async function checkRoom(folder: string, wanted: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= wanted) return;
  throw new UserError(
    `Expected about ${bytes(wanted)} free for ${folder}, got ${bytes(free)}: make room, or take another --out`,
  );
}
