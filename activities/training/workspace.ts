/** Puts files into an attempt's folder, under the same relative names in every attempt, because Caffe's files hold paths. */

import { createWriteStream } from 'node:fs';
import { constants, copyFile, type FileHandle, link, mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pathOf } from '../../config/files.ts';
import { FileRefusal, openAllowed } from '../../lib/allowed-files.ts';
import { quote } from '../../lib/quote.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { getFile } from '../../storage/artifacts.ts';
import { cachedFile } from '../../storage/cache.ts';
import { crc32c } from '../../storage/checksum.ts';
import type { Artifact } from '../../storage/store.ts';
import { type Blob, encodeBlob } from '../caffe/blob-proto.ts';
import { FILES } from '../caffe/network.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure, unusable } from '../failures.ts';
import type { ClassWeights, TrainingInputs } from './inputs.ts';

/** Copies a stored object to `file` in the folder and verifies it. @throws CorruptObject */
export async function placeObject(
  services: ActivityServices,
  artifact: Artifact,
  folder: string,
  file: string,
): Promise<void> {
  await getFile(services.store, artifact, join(folder, file));
}

/**
 * Links this machine's cached copy of a database into the folder, to avoid a second copy. The database has its own folder because
 * LMDB writes a lock file beside it, which attempts must not share.
 * @returns the path of the cached copy; @throws CorruptObject
 */
export async function placeDatabase(services: ActivityServices, artifact: Artifact, folder: string): Promise<string> {
  const path = join(folder, FILES.database, 'data.mdb');
  await mkdir(dirname(path));
  const copy = await cachedFile(services.store, services.cache, artifact, { env: services.env });
  try {
    await link(copy, path);
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS'].includes(codeOf(error))) throw error;
    await copyFile(copy, path, constants.COPYFILE_FICLONE);
  }
  return copy;
}

/** Puts the files into the folder that a net reads beside its database: mean image and class weights. */
export async function placeNetFiles(services: ActivityServices, inputs: TrainingInputs, folder: string): Promise<void> {
  await placeObject(services, inputs.mean, folder, FILES.mean);
  await placeClassWeights(inputs, folder);
}

export async function placeClassWeights({ classWeights, options }: TrainingInputs, folder: string): Promise<void> {
  for (const [i, weights] of (classWeights ?? []).entries())
    await writeFile(join(folder, FILES.infogain(options.heads[i]!)), encodeBlob(infogainMatrix(weights)));
}

/** Size limit of weights: the maximum of a protobuf message. */
const LIMITS = { setting: 'training.weights', max: 2 ** 31 - 1 };
const PIECE = 1 << 20;
const HDF5 = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1');

/** Reads the initial caffemodel, a file on the worker. @returns size and CRC-32C, of which `identity` is made */
export async function weightsChecksum(
  weights: string,
  env: NodeJS.ProcessEnv,
): Promise<{ size: number; crc32c: number }> {
  return withFile(weights, env, async (handle, size) => {
    let sum = 0;
    for await (const piece of handle.createReadStream({ autoClose: false, highWaterMark: PIECE, end: size }))
      sum = crc32c(piece, sum);
    return { size, crc32c: sum };
  });
}

/**
 * Copies the weights under a fixed name and checks the copy, so that Caffe reads exactly the checked file.
 * @throws non-retryable `BadInput`
 */
export async function placeWeights(weights: string, env: NodeJS.ProcessEnv, to: string): Promise<void> {
  await withFile(weights, env, (handle, size) =>
    pipeline(handle.createReadStream({ autoClose: false, end: size }), createWriteStream(to)),
  );
  const copy = await open(to);
  try {
    const { size } = await copy.stat();
    // Caffe also reads HDF5, which may link to other files. Its signature is at 0 or at a power of two from 512 on.
    for (let at = 0; at < size; at = Math.max(512, 2 * at)) {
      const { buffer } = await copy.read(Buffer.alloc(HDF5.length), 0, HDF5.length, at);
      if (buffer.equals(HDF5)) throw refused('Expected `training.weights` to be a caffemodel in binary form, got HDF5');
    }
  } finally {
    await copy.close();
  }
}

async function withFile<Result>(
  weights: string,
  env: NodeJS.ProcessEnv,
  work: (handle: FileHandle, size: number) => Promise<Result>,
): Promise<Result> {
  const path = pathOf(weights) ?? weights;
  const { handle, size } = await openAllowed(path, env, LIMITS).catch((error: NodeJS.ErrnoException) => {
    if (error instanceof FileRefusal) throw refused(error.message);
    const cure = 'set `training.weights` to a file that every GPU worker has';
    throw unusable('BadInput', `Expected weights in ${quote(path, 200)}`, error, cure);
  });
  try {
    return await work(handle, size);
  } finally {
    await handle.close();
  }
}

const refused = (message: string) => finalFailure('BadInput', message);

/** Returns the matrix of class weights for Caffe's Infogain loss: rows are true classes, and only the diagonal is nonzero. */
export function infogainMatrix([negative, positive]: ClassWeights): Blob {
  return { num: 1, channels: 1, height: 2, width: 2, data: [negative, 0, 0, positive] };
}
