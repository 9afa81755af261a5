/** A finished prepare stage of small real PNGs, and the label stage over it, as the activities of training find them. */

import { crc32 } from 'node:zlib';
import { MockActivityEnvironment } from '@temporalio/testing';
import sharp from 'sharp';
import { pack } from 'tar-stream';
import type { ActivityServices } from '../../activities/dependencies.ts';
import { type Bitmap, versionOf } from '../../activities/images/bitmap.ts';
import { pixels } from '../../activities/images/pixels.ts';
import type { IndexedPicture, ShardIndex } from '../../activities/images/types.ts';
import { createLabelActivities } from '../../activities/labels/index.ts';
import type { AssignedFolds, BuiltDatabase } from '../../activities/labels/types.ts';
import { type PipelineInput, pipelineInputSchema, VERSIONS } from '../../config/input.ts';
import { bytesArtifact, putBytes } from '../../storage/artifacts.ts';
import { putJson } from '../../storage/documents.ts';
import type { Manifest, StageFolder } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';

export const PREPARE = 'stages/prepare/0000000000000001';
export const LABEL = 'stages/label/0000000000000002';

/** 48-pixel pictures in batches of 4, two segments an epoch. */
export function tinyInput(training: Partial<PipelineInput['training']> = {}): PipelineInput {
  const input = pipelineInputSchema.parse({
    images: { size: 48 },
    folds: { validation: 0.25, test: 0.25 },
    training: { batch: 4, epochs: 2, segmentsPerEpoch: 2, seed: 5 },
  });
  return { ...input, training: { ...input.training, ...training } };
}

export interface Prepared {
  labels: Artifact;
  /** Stage of each image. */
  stages: Map<string, number>;
}

export interface PictureOptions {
  /** Pixels; default 48. */
  size?: number;
  shards?: number;
  /** Draws each picture, named `1_left.a`, in one colour (red, green, blue) instead. */
  colour?: (name: string) => readonly [number, number, number];
}

/** Two eyes a patient; the redder and the more spotted, the worse. */
export async function prepareStage(
  store: ArtifactStore,
  patients: number,
  { size = 48, shards = 2, colour }: PictureOptions = {},
): Promise<Prepared> {
  const stages = new Map<string, number>();
  for (let patient = 1; patient <= patients; patient++) {
    stages.set(`${patient}_left`, patient % 5);
    stages.set(`${patient}_right`, (patient + (patient % 3 === 0 ? 1 : 0)) % 5);
  }
  const images = [...stages.keys()];
  const outputs: Record<string, Artifact> = {};
  const perShard = Math.ceil(images.length / shards);
  for (let shard = 0; shard < shards; shard++) {
    const name = `shard-${String(shard).padStart(3, '0')}`;
    const { tar, index } = await makeShard(
      `${PREPARE}/${name}.tar`,
      images.slice(shard * perShard, (shard + 1) * perShard),
      stages,
      { size, ...(colour && { colour }) },
    );
    outputs[`${name}.tar`] = await putBytes(store, `${PREPARE}/${name}.tar`, tar);
    outputs[`${name}.index.json`] = await putBytes(store, `${PREPARE}/${name}.index.json`, JSON.stringify(index));
  }
  await putManifest(store, PREPARE, outputs);
  const csv = `image,level\n${images.map(image => `${image},${stages.get(image)}\n`).join('')}`;
  return { labels: await putBytes(store, 'archives/test/labels.csv', csv), stages };
}

/** Runs the label stage to its manifest. */
export async function labelStage(
  services: ActivityServices,
  { labels }: Prepared,
  input: PipelineInput,
): Promise<{ assigned: AssignedFolds; databases: BuiltDatabase[]; mean: Artifact }> {
  const activities = createLabelActivities(services);
  const { folds, images, training } = input;
  const assigned = await runActivity(activities.assignFolds, {
    ...{ prefix: LABEL, prepare: PREPARE, labels, folds, images, training },
  });
  const databases: BuiltDatabase[] = [];
  for (const name of assigned.databases) {
    databases.push(
      await runActivity(activities.buildDatabase, {
        ...{ prefix: LABEL, prepare: PREPARE, plan: assigned.plan, name, images, training },
      }),
    );
  }
  const part = { prefix: LABEL, prepare: PREPARE, plan: assigned.plan, part: 0, parts: 1 };
  const sums = [await runActivity(activities.sumPictures, part)];
  const mean = await runActivity(activities.averageSums, { prefix: LABEL, sums });
  await putManifest(services.store, LABEL, {
    'folds.csv': assigned.folds,
    'plan.json': assigned.plan,
    'mean.binaryproto': mean,
    ...Object.fromEntries(databases.map(({ name, database }) => [`${name}.mdb`, database])),
  });
  return { assigned, databases, mean };
}

/** Runs an activity in an environment of its own, as a worker would. */
export function runActivity<Args, Result>(
  activity: (args: Args) => Promise<Result>,
  args: Args,
  environment = new MockActivityEnvironment(),
): Promise<Result> {
  return environment.run<[Args], Result, (args: Args) => Promise<Result>>(activity, args);
}

async function putManifest(store: ArtifactStore, prefix: string, outputs: Record<string, Artifact>): Promise<void> {
  const [, stage, key] = prefix.split('/') as [string, StageFolder, string];
  const manifest: Manifest = {
    ...{ schemaVersion: 1, stage, key, recipe: 1, inputs: {}, parameters: null, outputs, counts: {}, seconds: 0 },
  };
  await putJson(store, `${prefix}/manifest.json`, manifest);
}

/** Gives the PNGs of a tar data that no decoder takes, and checksums that are right all the same. */
export function spoilPictures(tar: Buffer, { pictures }: ShardIndex): Buffer {
  for (const { offset } of pictures.flatMap(({ versions }) => Object.values(versions))) {
    for (let at = offset + 8; ; at += 12 + tar.readUInt32BE(at)) {
      const type = tar.toString('latin1', at + 4, at + 8);
      const end = at + 8 + tar.readUInt32BE(at);
      if (type === 'IDAT') tar.writeUInt32BE(crc32(tar.fill(0, at + 8, end).subarray(at + 4, end)), end);
      if (type === 'IEND') break;
    }
  }
  return tar;
}

async function makeShard(
  name: string,
  images: readonly string[],
  stages: ReadonlyMap<string, number>,
  { size, colour }: { size: number; colour?: PictureOptions['colour'] },
): Promise<{ tar: Buffer; index: ShardIndex }> {
  const tar = pack();
  const pictures: IndexedPicture[] = [];
  let offset = 0;
  for (const image of images) {
    const stage = stages.get(image)!;
    const versions: IndexedPicture['versions'] = {};
    const picture = drawPicture(image, stage, size);
    for (const version of VERSIONS) {
      const png = colour
        ? await plainPicture(colour(`${image}.${version}`), size)
        : await pixels(versionOf(picture, version)).png({ compressionLevel: 1 }).toBuffer();
      tar.entry({ name: `${image}.${version}.png`, mtime: new Date(0) }, png);
      versions[version] = { offset: offset + 512, size: png.length };
      offset += 512 + Math.ceil(png.length / 512) * 512;
    }
    const crop = { left: 0, top: 0, width: size, height: size };
    pictures.push({ image, stage, width: size, height: size, crop, versions });
  }
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return { tar: Buffer.concat(chunks), index: { tar: name, pictures } };
}

function plainPicture([r, g, b]: readonly [number, number, number], size: number): Promise<Buffer> {
  return sharp({ create: { width: size, height: size, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
}

/** Every picture differs from every other, by its noise. */
function drawPicture(image: string, stage: number, size: number): Bitmap {
  const data = Buffer.alloc(size * size * 3);
  let state = bytesArtifact('', Buffer.from(image)).crc32c >>> 0 || 1;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < size * size; i++) {
    const spot = random() < stage * 0.04;
    data[3 * i] = 120 + 25 * stage + 20 * random();
    data[3 * i + 1] = (spot ? 20 : 90) + 20 * random();
    data[3 * i + 2] = 40;
  }
  return { data, width: size, height: size };
}
