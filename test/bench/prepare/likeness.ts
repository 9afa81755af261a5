/** How near the prepared pictures come to those of ImageMagick. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { decodeSize } from '../../../activities/images/decode-jpeg.ts';
import { preparePicture } from '../../../activities/images/prepare-picture.ts';
import { pipelineInputSchema } from '../../../config/input.ts';
import { convertOne, type World } from './clients.ts';

export interface Likeness {
  name: string;
  /** Peak signal-to-noise ratio of the version as is, in dB; infinite where every pixel is the same. */
  psnr: number;
  /** Decoded in its full size. */
  whole: boolean;
  /** The other three are exact turns of it. */
  turned: boolean;
}

export async function compareWithConvert(world: World, program: string, names: readonly string[]): Promise<Likeness[]> {
  const { images } = pipelineInputSchema.parse({});
  const found: Likeness[] = [];
  for (const name of names) {
    const path = join(world.folder, 'pictures', `${name}.jpeg`);
    const jpeg = await readFile(path);
    const { width, height, pngs } = await preparePicture(jpeg, images);
    const pixels = await Promise.all(pngs.map(({ bytes }) => sharp(bytes).raw().toBuffer({ resolveWithObject: true })));
    const [asIs, rotated, mirrored, both] = pixels.map(({ data }) => data) as [Buffer, Buffer, Buffer, Buffer];
    const turn = (way: (picture: Sharp) => Sharp) => way(sharp(pngs[0]!.bytes)).raw().toBuffer();
    const turned =
      (await turn(picture => picture.rotate(180))).equals(rotated) &&
      (await turn(picture => picture.flop())).equals(mirrored) &&
      (await turn(picture => picture.flip())).equals(both);
    const theirs = await sharp(await convertOne(world, program, path))
      .toColourspace('srgb')
      .removeAlpha()
      .raw()
      .toBuffer();
    found.push({ name, psnr: psnrOf(asIs, theirs), whole: decodeSize({ width, height }, 256).width === width, turned });
  }
  return found;
}

function psnrOf(a: Buffer, b: Buffer): number {
  if (a.length !== b.length) return 0;
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at]! - b[at]!) ** 2;
  return 10 * Math.log10(255 ** 2 / (sum / a.length));
}
