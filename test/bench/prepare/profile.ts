/** What a picture's CPU time is spent on: each step by itself, one picture at a time. */
import sharp from 'sharp';
import { centreOnBlack, versionOf } from '../../../activities/images/bitmap.ts';
import { estimateBox } from '../../../activities/images/bounding-box.ts';
import { fittedSize, trimBox } from '../../../activities/images/crop.ts';
import { decodeSize } from '../../../activities/images/decode-jpeg.ts';
import { openArchive } from '../../../activities/images/open-archive.ts';
import { perceptualHash } from '../../../activities/images/perceptual-hash.ts';
import { resizeBox } from '../../../activities/images/pixels.ts';
import { encodePng } from '../../../activities/images/png.ts';
import { preparePicture } from '../../../activities/images/prepare-picture.ts';
import { parseDirectory } from '../../../activities/images/stored-directory.ts';
import { VirtualFile } from '../../../activities/zip/virtual-file.ts';
import { readEntry, readWindows } from '../../../activities/zip/zip-entries.ts';
import { pipelineInputSchema } from '../../../config/input.ts';
import { getArtifact } from '../../../storage/artifacts.ts';
import { openStore } from '../../../storage/open.ts';
import type { World } from './clients.ts';

/** Pictures that are taken apart; the first are for warming up. */
const MOST = 60;
const WARMING = 12;

/** @returns CPU milliseconds a picture of each step; those within `preparePicture` add up to it */
export async function profile(world: World): Promise<[step: string, milliseconds: number][]> {
  sharp.concurrency(1);
  sharp.cache(false);
  const { archive, images } = pipelineInputSchema.parse({});
  const store = await openStore(world.store);
  const prefix = 'stages/bench/profile';
  const args = { prefix, parts: world.parts, labels: null, archive, images };
  const { directory } = await openArchive(store, args, new AbortController().signal);
  const { pictures } = parseDirectory((await getArtifact(store, directory)).toString());
  const file = new VirtualFile(store, world.parts);

  const spent = new Map<string, number>();
  let done = 0;
  const step = async <Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> => {
    const before = process.cpuUsage();
    const result = await work();
    const { user, system } = process.cpuUsage(before);
    if (done >= WARMING) spent.set(name, (spent.get(name) ?? 0) + (user + system) / 1000);
    return result;
  };
  for await (const window of readWindows(file, pictures.slice(0, MOST))) {
    for (const entry of window.entries) {
      world.signal.throwIfAborted();
      const jpeg = await step('inflate, CRC-32', () => readEntry(file, window, entry));
      await step('all of the picture', () => preparePicture(jpeg, images));
      const header = await sharp(jpeg).metadata();
      const small = decodeSize(header, images.size);
      const { data, info } = await step('decode, shrunk', () =>
        sharp(jpeg).resize(small.width, small.height, { fit: 'fill' }).raw().toBuffer({ resolveWithObject: true }),
      );
      const decoded = { data, width: info.width, height: info.height };
      await step('border', () =>
        small.width === header.width ? trimBox(decoded, images.fuzz) : estimateBox(decoded, header, images),
      );
      const box = trimBox(decoded, images.fuzz)!;
      const fitted = fittedSize(box, images.size);
      const square = centreOnBlack(await step('resize', () => resizeBox(decoded, box, fitted)), images.size);
      await step('perceptual hash', () => perceptualHash(square));
      await step('four versions as PNG', () =>
        Promise.all(images.versions.map(version => encodePng(versionOf(square, version)))),
      );
      done++;
    }
  }
  const measured = Math.max(1, done - WARMING);
  const each = [...spent].map(([name, milliseconds]): [string, number] => [name, milliseconds / measured]);
  const whole = each.find(([name]) => name === 'all of the picture')![1];
  const steps = each.filter(([name]) => name !== 'all of the picture');
  const parts = steps.slice(1).reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  return [...steps, ['edges in the whole photograph, header', Math.max(0, whole - parts)]];
}
