/** Draws the synthetic eyes and stores them as the competition's files: wrapped parts of one zip, and wrapped labels. */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import pLimit from 'p-limit';
import sharp from 'sharp';
import { isStored, putFile } from '../../storage/artifacts.ts';
import { getSoundJson, putJson } from '../../storage/documents.ts';
import { isLarge } from '../../storage/large.ts';
import type { Artifact } from '../../storage/store.ts';
import {
  type ArchiveEntry,
  cutIntoParts,
  fileSize,
  partName,
  readRange,
  writeArchive,
  writeWrapper,
} from '../../synthetic/archive.ts';
import { labelsCsv, makePatient, makePatients, sampleCsv } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';
import type { ActivityServices } from '../dependencies.ts';
import type { DrawEyesArgs, DrawnEyes } from './types.ts';

/** Heartbeat details of drawing. */
export interface DrawingProgress {
  pictures: number;
  of: number;
}

/** Yields images in the order of the patients, and draws a few ahead in parallel. Each depends only on the seed and its patient. */
async function* drawAll(
  { patients, seed, stages, first = 0 }: DrawEyesArgs['synthetic'],
  folder: string,
  report: (progress: DrawingProgress) => void,
  signal?: AbortSignal,
): AsyncGenerator<ArchiveEntry> {
  const atOnce = availableParallelism() + 1;
  const limit = pLimit(atOnce);
  const ahead: Promise<ArchiveEntry>[] = [];
  let next = 0;
  let pictures = 0;
  try {
    while (next < patients || ahead.length > 0) {
      while (next < patients && ahead.length < 2 * atOnce) {
        const patient = makePatient(seed, first + next++, stages);
        for (const eye of patient.eyes) {
          const entry = limit(async () => {
            signal?.throwIfAborted();
            return { path: `${folder}${eye.name}.jpeg`, bytes: await photographEye(seed, patient, eye) };
          });
          // The promise is awaited in its turn. Until then its rejection must not count as unhandled.
          entry.catch(() => undefined);
          ahead.push(entry);
        }
      }
      yield await ahead.shift()!;
      report({ pictures: ++pictures, of: 2 * patients });
    }
  } finally {
    await Promise.allSettled(ahead);
  }
}

/**
 * Draws the eyes and stores `<prefix>/files/train.zip.001.zip` and so on, and `<prefix>/files/trainLabels.csv.zip` or the sample
 * submission. Each is stored in chunks, and chunks of an earlier attempt are kept. Scratch holds the archive and one wrapped part, memory
 * a few images.
 */
export async function drawEyes(
  services: ActivityServices,
  { prefix, synthetic, archive }: DrawEyesArgs,
  report: (progress: DrawingProgress) => void = () => undefined,
  signal?: AbortSignal,
): Promise<DrawnEyes> {
  const { store, scratch, log } = services;
  const storeFile = async (name: string, path: string): Promise<Artifact> => {
    const key = `${prefix}/files/${name}`;
    const artifact = await putFile(store, key, path);
    if (artifact.key === key || isLarge(artifact)) return artifact;
    // The key held other bytes, from another version. Until all is drawn, there is no reference to them.
    for (const stored of [key, artifact.key]) await store.remove(stored);
    return putFile(store, key, path);
  };
  const parts = Array.from({ length: archive.parts }, (_, index) => partName(archive.name, index));
  const bare = (name: string | null | undefined) => (name ? [name.replace(/\.zip$/, '')] : []);
  const [labels, sample] = [bare(archive.labels), bare(archive.sample)];
  const names = [...parts, ...labels, ...sample].map(name => `${name}.zip`);
  const drawn = (outputs: Record<string, Artifact>): DrawnEyes => ({
    outputs,
    counts: {
      patients: synthetic.patients,
      pictures: 2 * synthetic.patients,
      bytes: Object.values(outputs).reduce((sum, { size }) => sum + size, 0),
    },
  });

  const outputs: Record<string, Artifact> = {};
  const record = `${prefix}/drawn.json`;
  const before = (await getSoundJson<Record<string, Artifact>>(store, record)) ?? {};
  const stored = await Promise.all(names.map(name => before[name] !== undefined && isStored(store, before[name])));
  if (stored.every(Boolean)) {
    log.info({ prefix }, 'the made-up eyes were drawn before');
    return drawn(before);
  }

  sharp.concurrency(1);
  sharp.cache(false);
  const folder = await mkdtemp(join(scratch, 'eyes-'));
  try {
    const whole = join(folder, archive.name);
    // `train.zip` holds the folder `train`, as the competition's archives do.
    const inside = `${archive.name.replace(/\.zip$/, '')}/`;
    await writeArchive(whole, inside, drawAll(synthetic, inside, report, signal), signal);
    const wrapper = join(folder, 'wrapper.zip');
    const ranges = cutIntoParts(await fileSize(whole), archive.parts);
    for (const [index, name] of parts.entries()) {
      await writeWrapper(wrapper, name, readRange(whole, ranges[index]!), signal);
      outputs[`${name}.zip`] = await storeFile(`${name}.zip`, wrapper);
    }
    const { seed, patients, stages, first } = synthetic;
    const tables = [
      ...labels.map(name => [name, labelsCsv] as const),
      ...sample.map(name => [name, sampleCsv] as const),
    ];
    for (const [name, csvOf] of tables) {
      const csv = csvOf(makePatients(seed, patients, stages, first));
      await writeWrapper(wrapper, name, Readable.from([Buffer.from(csv)]), signal);
      outputs[`${name}.zip`] = await storeFile(`${name}.zip`, wrapper);
    }
    // The record is written last, because a later attempt takes it for finished work.
    await putJson(store, record, outputs, { overwrite: true });
    return drawn(outputs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
