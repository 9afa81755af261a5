/** The photographs that are prepared: a folder's, or made ones of a retina camera's full size. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../../lib/user-error.ts';
import { makePatients } from '../../../synthetic/eyes/patients.ts';
import { photographEye } from '../../../synthetic/eyes/photograph.ts';

const FULL = { width: 3888, height: 2592 };
const MADE = 10;
const SEED = 7;
/** What a larger sensor sees of the same optics. */
const SHARPER = 0.5;

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

/** Eyes drawn for a camera of so many pixels, its optics as sharp as the others' in what they show. */
async function makePictures(report: (line: string) => void): Promise<Buffer[]> {
  report(`drawing ${MADE} photographs of ${FULL.width}×${FULL.height}`);
  const pictures: Buffer[] = [];
  for (const patient of makePatients(SEED, MADE / 2, 'even')) {
    const { camera } = patient;
    const scale = FULL.width / camera.width;
    const large = {
      ...camera,
      ...FULL,
      radius: Math.min(camera.radius * scale, 0.6 * FULL.height),
      blur: camera.blur * scale * SHARPER,
      shadow: camera.shadow * scale,
    };
    for (const eye of patient.eyes) pictures.push(await photographEye(SEED, { ...patient, camera: large }, eye));
  }
  return pictures;
}
