/** The folder an attempt works in: its own, with the same relative names in every attempt, because Caffe's files hold paths. */
import { randomUUID } from 'node:crypto';
import { constants, copyFile, link, mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cachedFile } from '../../storage/cache.ts';
import { getFile } from '../../storage/files.ts';
import type { Artifact } from '../../storage/store.ts';
import type { ActivityServices } from '../services.ts';
import { encodeBlob } from './blob-proto.ts';
import { infogainMatrix } from './class-weights.ts';
import type { TrainingInputs } from './inputs.ts';
import { FILES } from './network.ts';

/** Runs `work` in a new folder of the worker's scratch space, which is removed afterwards. */
export async function inWorkspace<Result>(
  { scratch }: Pick<ActivityServices, 'scratch'>,
  purpose: string,
  work: (folder: string) => Promise<Result>,
): Promise<Result> {
  const folder = join(scratch, `${purpose}-${randomUUID()}`);
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Copies a stored object to `file` in the folder and checks it. @throws ObjectNotFound or ChecksumMismatch */
export async function placeObject(
  services: ActivityServices,
  artifact: Artifact,
  folder: string,
  file: string,
): Promise<void> {
  await getFile(services.store, artifact, join(folder, file));
}

/**
 * Links this machine's copy of a database into the folder, so that none is copied twice. The database has a folder of its own
 * because LMDB writes its lock beside it, which attempts must not share.
 */
export async function placeDatabase(services: ActivityServices, artifact: Artifact, folder: string): Promise<void> {
  const path = join(folder, FILES.database, 'data.mdb');
  await mkdir(dirname(path));
  const copy = await cachedFile(services.store, services.cache, artifact, { env: services.env });
  try {
    await link(copy, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EXDEV' && code !== 'EPERM' && code !== 'EMLINK' && code !== 'ENOTSUP') throw error;
    await copyFile(copy, path, constants.COPYFILE_FICLONE);
  }
}

/** The files that every net reads beside its database. */
export async function placeNetFiles(services: ActivityServices, inputs: TrainingInputs, folder: string): Promise<void> {
  await placeObject(services, inputs.mean, folder, FILES.mean);
  await placeClassWeights(inputs, folder);
}

export async function placeClassWeights({ classWeights, options }: TrainingInputs, folder: string): Promise<void> {
  for (const [i, weights] of (classWeights ?? []).entries())
    await writeFile(join(folder, FILES.infogain(options.heads[i]!)), encodeBlob(infogainMatrix(weights)));
}
