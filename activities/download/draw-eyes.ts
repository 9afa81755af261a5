/** Draws the made-up eyes and stores them as the competition's files: wrapped parts of one zip, and wrapped labels. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { crc32c } from '@node-rs/crc32';
import pLimit from 'p-limit';
import sharp from 'sharp';
import {
  type ArchiveEntry,
  cutIntoParts,
  fileSize,
  partName,
  readRange,
  writeArchive,
  writeWrapper,
} from '../../demo/archive.ts';
import { labelsCsv, sampleCsv } from '../../demo/eyes/labels.ts';
import { makePatient, makePatients } from '../../demo/eyes/patients.ts';
import { photographEye } from '../../demo/eyes/photograph.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import type { ActivityServices } from '../services.ts';
import type { DrawEyesArgs, DrawnEyes } from './types.ts';

/** Heartbeat details of drawing. */
export interface DrawingProgress {
  pictures: number;
  of: number;
}

const UPLOAD_PART = 8 << 20;

/** Pictures in patients' order, a few drawn ahead at once. Each depends on the seed and its patient alone, never on the others. */
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
          // Awaited in its turn; until then its failure must not count as unhandled.
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

/** Reads an object range by range for its checksum. */
async function describe(store: ArtifactStore, key: string, signal?: AbortSignal): Promise<Artifact | undefined> {
  const head = await store.head(key);
  if (!head) return undefined;
  let checksum = 0;
  for (let offset = 0; offset < head.size; offset += UPLOAD_PART) {
    signal?.throwIfAborted();
    checksum = crc32c(await store.get(key, { offset, length: UPLOAD_PART }), checksum);
  }
  return { key, size: head.size, crc32c: checksum };
}

/**
 * Stores a file whole. An object already there with other bytes is what a worker with another version of sharp left when it was
 * stopped half-way: it goes, or parts of two archives would lie side by side.
 */
async function storeFile(store: ArtifactStore, key: string, file: string, signal?: AbortSignal): Promise<Artifact> {
  const size = await fileSize(file);
  const handle = await open(file);
  try {
    const pieces: { bytes: () => Promise<Buffer>; crc: number }[] = [];
    let whole = 0;
    for (let offset = 0; offset < size; offset += UPLOAD_PART) {
      const length = Math.min(UPLOAD_PART, size - offset);
      const bytes = async () => (await handle.read(Buffer.alloc(length), 0, length, offset)).buffer;
      const piece = await bytes();
      whole = crc32c(piece, whole);
      pieces.push({ bytes, crc: crc32c(piece) });
    }
    const stored = await describe(store, key, signal);
    if (stored?.size === size && stored.crc32c === whole) return stored;
    if (stored) await store.remove(key);
    const upload = await store.openUpload(key, { size, partSize: UPLOAD_PART, sourceTag: `made-up-${size}-${whole}` });
    try {
      for (const [n, piece] of pieces.entries()) {
        signal?.throwIfAborted();
        if (upload.done.get(n) !== piece.crc) await upload.put(n, await piece.bytes(), piece.crc);
      }
      await upload.complete(whole);
    } finally {
      await upload.close();
    }
    return { key, size, crc32c: whole };
  } finally {
    await handle.close();
  }
}

/**
 * Draws the eyes and stores `<prefix>/files/train.zip.001.zip` and so on, and `<prefix>/files/trainLabels.csv.zip` or the sample
 * submission. Finished files are found and kept. Scratch holds the archive and one wrapped part, memory a few pictures.
 */
export async function drawEyes(
  services: ActivityServices,
  { prefix, synthetic, archive }: DrawEyesArgs,
  report: (progress: DrawingProgress) => void = () => undefined,
  signal?: AbortSignal,
): Promise<DrawnEyes> {
  const { store, scratch, log } = services;
  const key = (name: string) => `${prefix}/files/${name}`;
  const parts = Array.from({ length: archive.parts }, (_, index) => partName(archive.name, index));
  const bare = (name: string | null | undefined) => (name ? [name.replace(/\.zip$/, '')] : []);
  const [labels, sample] = [bare(archive.labels), bare(archive.sample)];
  // The tables come last: where they are, everything is.
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
  if ((await Promise.all(names.map(name => store.head(key(name))))).every(Boolean)) {
    for (const name of names) outputs[name] = (await describe(store, key(name), signal))!;
    log.info({ prefix }, 'the made-up eyes were drawn before');
    return drawn(outputs);
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
      outputs[`${name}.zip`] = await storeFile(store, key(`${name}.zip`), wrapper, signal);
    }
    const { seed, patients, stages, first } = synthetic;
    const tables = [
      ...labels.map(name => [name, labelsCsv] as const),
      ...sample.map(name => [name, sampleCsv] as const),
    ];
    for (const [name, csvOf] of tables) {
      const csv = csvOf(makePatients(seed, patients, stages, first));
      await writeWrapper(wrapper, name, Readable.from([Buffer.from(csv)]), signal);
      outputs[`${name}.zip`] = await storeFile(store, key(`${name}.zip`), wrapper, signal);
    }
    return drawn(outputs);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
