/** A run's model as a folder that needs neither this project nor Caffe. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Caffe } from '../../activities/services.ts';
import { decodeBlob } from '../../activities/training/blob-proto.ts';
import { deployNet, type PictureInput } from '../../activities/training/judging-net.ts';
import { probabilityOutput } from '../../activities/training/network.ts';
import { printPrototxt } from '../../activities/training/prototxt.ts';
import { inWorkspace } from '../../activities/training/workspace.ts';
import { getFile } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { isPreparedAlike, type TrainedNetwork, type TrainedRun } from '../trained-run.ts';
import { modelCard } from './model-card.ts';
import { openCvMean } from './opencv-mean.ts';
import { fitRegressions } from './regressions.ts';
import { expectedEyes } from './test-eyes.ts';

export interface BundleJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing, empty folder. */
  folder: string;
  /** An existing folder for temporary files. */
  scratch: string;
  /** Put the pictures of the test eyes into it. */
  pictures: boolean;
  signal: AbortSignal;
}

/** `recipe.json`: from a photograph to probabilities. */
export interface BundleRecipe {
  schemaVersion: 1;
  run: string;
  source: string;
  /** How a photograph becomes the pictures that the networks have seen. */
  prepare: {
    steps: string[];
    size: number;
    fuzz: number;
    enhance: string;
    versions: Record<string, string>;
    madeWith: Record<string, string>;
  };
  /** How a picture becomes the input of a network: `(picture − mean) · scale`, then the middle square. */
  input: { channels: 'BGR'; size: number; crop: number; edge: number; scale: number; mean: 'mean.yml' };
  networks: {
    name: string;
    prototxt: string;
    caffemodel: string;
    /** Blobs of two values, of which the second is P(stage > k). */
    outputs: string[];
    splits: number[];
    epoch: number;
  }[];
  /** What becomes of the probabilities of an eye's versions. */
  average: 'mean over the versions';
}

const VERSION_NAMES: Record<string, string> = {
  a: 'as is',
  r: 'rotated by 180°',
  fa: 'mirrored left-right',
  fr: 'rotated by 180° and mirrored left-right',
};

/**
 * Writes networks, mean picture, recipe, regressions, model card, expected outputs and the example.
 * @throws UnusableRun when the files do not say of the test eyes what the run has said
 */
export async function writeBundle(job: BundleJob): Promise<void> {
  const { store, trained, folder } = job;
  await mkdir(join(folder, 'networks'));
  const inputs: PictureInput[] = [];
  for (const network of trained.networks) {
    const { prototxt, caffemodel } = filesOf(network);
    const { net, input } = deployNet(network.inputs.template, network.heads, trained.input.images.size);
    inputs.push(input);
    await writeFile(join(folder, prototxt), printPrototxt(net));
    await getFile(store, network.weights, join(folder, caffemodel));
  }
  const [input] = inputs as [PictureInput];
  const mean = join(folder, 'mean.binaryproto');
  await getFile(store, trained.networks[0]!.inputs.mean, mean);
  await writeFile(join(folder, 'mean.yml'), openCvMean(meanPicture(await readFile(mean), input)));
  const regressions = await fitRegressions(store, trained);
  const expected = await inWorkspace({ scratch: job.scratch }, 'bundle', async working => {
    const eyes = await expectedEyes({
      ...{ store, trained, caffe: job.caffe, signal: job.signal, folder: working },
      model: regressions[regressions.own],
      filesOf: network => ({ weights: join(folder, filesOf(network).caffemodel), mean }),
    });
    if (job.pictures) {
      await mkdir(join(folder, 'pictures'));
      for (const { file } of eyes.flatMap(({ pictures }) => pictures))
        await copyFile(join(working, file), join(folder, file));
    }
    return eyes;
  });
  const files: [string, unknown][] = [
    ['recipe.json', recipeOf(trained, input)],
    ['regression.json', regressions],
    ['expected.json', expected],
  ];
  for (const [name, content] of files) await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  await copyFile(new URL('example.py', import.meta.url), join(folder, 'example.py'));
  await writeFile(join(folder, 'MODEL.md'), modelCard(trained, regressions, expected, job.pictures));
}

function filesOf({ name }: TrainedNetwork): { prototxt: string; caffemodel: string } {
  return { prototxt: `networks/${name}.prototxt`, caffemodel: `networks/${name}.caffemodel` };
}

/** The stored one, or the same colour everywhere where the network's template says so. */
function meanPicture(binaryproto: Uint8Array, { meanValues }: PictureInput) {
  const blob = decodeBlob(binaryproto);
  if (meanValues === null) return blob;
  const area = blob.height * blob.width;
  return { ...blob, data: blob.data.map((_, i) => meanValues[Math.floor(i / area)]!) };
}

function recipeOf(trained: TrainedRun, picture: PictureInput): BundleRecipe {
  const { run, record, input, networks } = trained;
  const { size, fuzz, enhance, versions } = input.images;
  return {
    schemaVersion: 1,
    run,
    source: input.source,
    prepare: {
      ...{ steps: stepsOf(trained), size, fuzz, enhance },
      versions: Object.fromEntries(versions.map(version => [version, VERSION_NAMES[version] ?? version])),
      madeWith: record.versions,
    },
    input: {
      ...{ channels: 'BGR', size, crop: picture.crop, edge: Math.floor((size - picture.crop) / 2) },
      ...{ scale: picture.scale, mean: 'mean.yml' },
    },
    networks: networks.map(network => ({
      name: network.name,
      ...filesOf(network),
      outputs: network.heads.map(probabilityOutput),
      splits: network.heads,
      epoch: network.epoch,
    })),
    average: 'mean over the versions',
  };
}

/** Sentences for whoever prepares pictures in another way. */
function stepsOf(trained: TrainedRun): string[] {
  const { size, fuzz, enhance } = trained.input.images;
  if (!isPreparedAlike(trained)) {
    return [
      `as the release that made the run does it, by its recipe ${trained.preparedBy}: not the one that wrote this`,
    ];
  }
  return [
    'decode the JPEG, turned and mirrored as its EXIF orientation says; a colour profile is not applied',
    `cut the border off: all that lies within ${fuzz} · 255 (root mean square over red, green, blue) of the corners' colour`,
    ...(enhance === 'graham'
      ? [
          `scale the eye to a radius of ${size / 2} pixels by Lanczos, its middle in that of the square`,
          'take 4 times the difference from the local average (Gaussian, σ a thirtieth of the radius), plus 128',
          'grey (128) beyond nine tenths of the radius',
        ]
      : [
          `resize by Lanczos so that the longer side has ${size} pixels`,
          `put it into the middle of ${size}×${size} black pixels`,
        ]),
    'make the versions by exchanging pixels',
  ];
}
