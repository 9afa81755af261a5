/** Exports a run's model as a folder that needs neither this project nor Caffe. */
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blob, decodeBlob } from '../../activities/caffe/blob-proto.ts';
import { deployNet, type PictureInput } from '../../activities/caffe/inference-net.ts';
import { probabilityOutput } from '../../activities/caffe/network.ts';
import { printPrototxt } from '../../activities/caffe/prototxt.ts';
import { inWorkspace } from '../../activities/dependencies.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { isPreparedAlike, placeNetwork, type TrainedNetwork, type TrainedRun } from '../trained-run.ts';
import { modelCard } from './model-card.ts';
import { fitRegressions } from './regressions.ts';
import { expectedEyes } from './test-eyes.ts';

interface BundleJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing, empty folder. */
  folder: string;
  /** An existing folder for temporary files. */
  scratch: string;
  /** Adds the images of the test eyes. */
  pictures: boolean;
  signal: AbortSignal;
}

const VERSION_NAMES: Record<string, string> = {
  a: 'as is',
  r: 'rotated by 180°',
  fa: 'mirrored left-right',
  fr: 'rotated by 180° and mirrored left-right',
};

/**
 * Writes networks, mean image, recipe, regressions, model card, expected outputs and the example.
 * @throws UnusableRun when the files predict the test eyes differently from the run
 */
export async function writeBundle(job: BundleJob): Promise<void> {
  const { store, trained, folder } = job;
  await mkdir(join(folder, 'networks'));
  const mean = join(folder, 'mean.binaryproto');
  const inputs: PictureInput[] = [];
  for (const network of trained.networks) {
    const { prototxt, caffemodel } = filesOf(network);
    const { net, input } = deployNet(network.inputs.template, network.heads, trained.input.images.size);
    inputs.push(input);
    await writeFile(join(folder, prototxt), printPrototxt(net));
    await placeNetwork(store, network, join(folder, caffemodel), mean);
  }
  const [input] = inputs as [PictureInput];
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

/** Returns the stored mean image, or an image of a single color where the network's template has mean values. */
function meanPicture(binaryproto: Uint8Array, { meanValues }: PictureInput) {
  const blob = decodeBlob(binaryproto);
  if (meanValues === null) return blob;
  const area = blob.height * blob.width;
  return { ...blob, data: blob.data.map((_, i) => meanValues[Math.floor(i / area)]!) };
}

/** Returns the content of `recipe.json`: the steps from a source image to probabilities. */
function recipeOf(trained: TrainedRun, picture: PictureInput) {
  const { run, record, input, networks } = trained;
  const { size, fuzz, enhance, versions } = input.images;
  return {
    schemaVersion: 1,
    run,
    source: input.source,
    // Steps from a source image to the prepared images that the networks were trained on.
    prepare: {
      ...{ steps: stepsOf(trained), size, fuzz, enhance },
      versions: Object.fromEntries(versions.map(version => [version, VERSION_NAMES[version] ?? version])),
      madeWith: record.versions,
    },
    // Steps from a prepared image to the input of a network: `(image − mean) · scale`, then a center crop.
    input: {
      ...{ channels: 'BGR', size, crop: picture.crop, edge: Math.floor((size - picture.crop) / 2) },
      ...{ scale: picture.scale, mean: 'mean.yml' },
    },
    networks: networks.map(network => ({
      name: network.name,
      ...filesOf(network),
      // Blobs of two values. The second is P(grade > k).
      outputs: network.heads.map(probabilityOutput),
      splits: network.heads,
      epoch: network.epoch,
    })),
    average: 'mean over the versions',
  };
}

/** Describes the preparation in sentences, for users who prepare images without this project. */
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

const NUMBERS_A_LINE = 12;

/**
 * Formats a mean image as a matrix of OpenCV's FileStorage, which OpenCV reads in every language.
 * @returns the text of a YAML file with a matrix `mean` of height × width pixels, each blue, green, red
 * @throws RangeError when the blob is not an image of three channels
 */
export function openCvMean({ num, channels, height, width, data }: Blob): string {
  if (num !== 1 || channels !== 3)
    throw new RangeError(`Expected a mean picture of 1×3×…, got one of ${num}×${channels}×…`);
  const area = height * width;
  // Caffe stores one plane per channel, OpenCV the three channels of a pixel next to each other.
  const interleaved = Array.from({ length: 3 * area }, (_, i) => float(data[(i % 3) * area + Math.floor(i / 3)]!));
  const lines: string[] = [];
  for (let i = 0; i < interleaved.length; i += NUMBERS_A_LINE)
    lines.push(interleaved.slice(i, i + NUMBERS_A_LINE).join(', '));
  return `%YAML:1.0
---
mean: !!opencv-matrix
   rows: ${height}
   cols: ${width}
   dt: "3f"
   data: [ ${lines.join(',\n       ')} ]
`;
}

/** Formats a 32-bit float, which nine digits represent exactly. Without a decimal point OpenCV would read an integer. */
function float(value: number): string {
  const text = String(Number(value.toPrecision(9)));
  return /[.e]/.test(text) ? text : `${text}.`;
}
