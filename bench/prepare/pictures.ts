/** The photographs that are prepared: a folder's, or made ones of a retina camera's full size. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { UserError } from '../../cli/user-error.ts';
import { makePatients } from '../../demo/eyes/patients.ts';
import { photographEye } from '../../demo/eyes/photograph.ts';
import { Random } from '../../demo/random.ts';

const FULL = { width: 3888, height: 2592 };
const MADE = 10;
const SEED = 7;

/**
 * Fills `folder` with `count` JPEGs named as the archive's entries (`1_left.jpeg`, `1_right.jpeg`, …); few pictures are repeated.
 * @param from a folder of JPEGs; undefined for made ones
 * @returns how many pictures are different
 * @throws UserError when `from` holds no JPEG
 */
export async function gatherPictures(
  folder: string,
  from: string | undefined,
  atLeast: number,
  report: (line: string) => void,
): Promise<{ names: string[]; different: number; bytes: number }> {
  const pictures = from === undefined ? await makePictures(report) : await readPictures(from);
  await mkdir(folder);
  const count = pictures.length * Math.ceil(atLeast / pictures.length);
  const names: string[] = [];
  let bytes = 0;
  for (let n = 0; n < count; n++) {
    const name = `${1 + (n >> 1)}_${n % 2 === 0 ? 'left' : 'right'}`;
    const picture = pictures[n % pictures.length]!;
    await writeFile(join(folder, `${name}.jpeg`), picture);
    bytes += picture.length;
    names.push(name);
  }
  return { names, different: pictures.length, bytes };
}

async function readPictures(folder: string): Promise<Buffer[]> {
  const files = (await readdir(folder)).filter(name => /\.jpe?g$/i.test(name)).sort();
  if (files.length === 0) throw new UserError(`Expected ${folder} to hold JPEGs, got none`);
  return Promise.all(files.map(name => readFile(join(folder, name))));
}

/** Drawn eyes enlarged to full size, with the grain that a sensor adds: without it they would decode too fast. */
async function makePictures(report: (line: string) => void): Promise<Buffer[]> {
  report(`drawing ${MADE} photographs of ${FULL.width}×${FULL.height}`);
  const pictures: Buffer[] = [];
  for (const patient of makePatients(SEED, MADE / 2, 'even')) {
    for (const eye of patient.eyes) pictures.push(await enlarge(await photographEye(SEED, patient, eye)));
  }
  return pictures;
}

async function enlarge(jpeg: Buffer): Promise<Buffer> {
  const { data, info } = await sharp(jpeg)
    .resize(FULL.width, FULL.height, { fit: 'contain', background: 'black' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  const random = new Random(SEED);
  const grain = Int8Array.from({ length: 65_521 }, () => random.whole(-4, 4));
  for (let at = 0; at < data.length; at++) data[at] = Math.max(0, Math.min(255, data[at]! + grain[at % grain.length]!));
  return sharp(data, { raw: info }).jpeg({ quality: 88 }).toBuffer();
}
