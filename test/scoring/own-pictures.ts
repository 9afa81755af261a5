/** A folder with an archive to score, made of the pictures of a run: what its networks say of them is known. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import unzipper from 'unzipper';
import { getArtifact } from '../../storage/artifacts.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { zipOf } from '../download/world.ts';

/**
 * Writes `test.zip.001` … and `sampleSubmission.csv` into the folder, which is made.
 * @param download `stages/download/<key>` of the run
 * @param images by name; of a `damaged` one the archive holds no JPEG
 * @param mac as the macOS Finder packs it: with files of its own in the archive, and the table in a zip with another
 */
export async function writeArchiveOf(
  store: ArtifactStore,
  download: string,
  {
    folder,
    images,
    damaged,
    parts,
    mac = false,
  }: { folder: string; images: string[]; damaged: string[]; parts: number; mac?: boolean },
): Promise<void> {
  const jpegs: Record<string, Buffer> = {};
  for (const [image, jpeg] of await readPhotographs(store, download, images)) {
    jpegs[`test/${image}.jpeg`] = damaged.includes(image) ? Buffer.from('no JPEG') : jpeg;
  }
  const resources = Buffer.from('resource fork');
  const zip = await zipOf(mac ? { ...jpegs, 'test/.DS_Store': resources, '__MACOSX/._test': resources } : jpegs, true);
  const piece = Math.ceil(zip.length / parts);
  await mkdir(folder);
  for (let n = 0; n < parts; n++) {
    await writeFile(join(folder, `test.zip.00${n + 1}`), zip.subarray(n * piece, (n + 1) * piece));
  }
  const sample = Buffer.from(`image,level\n${images.map(image => `${image},0\n`).join('')}`);
  const packed = { 'sampleSubmission.csv': sample, '__MACOSX/._sampleSubmission.csv': resources };
  if (mac) await writeFile(join(folder, 'sampleSubmission.csv.zip'), await zipOf(packed, true));
  else await writeFile(join(folder, 'sampleSubmission.csv'), sample);
}

/** JPEGs of a run's archive, by name. */
export async function readPhotographs(
  store: ArtifactStore,
  download: string,
  images: readonly string[],
): Promise<[image: string, jpeg: Buffer][]> {
  const { outputs } = JSON.parse((await store.get(`${download}/manifest.json`)).toString()) as Manifest;
  const names = Object.keys(outputs).filter(name => name.startsWith('train.zip.'));
  const pieces = names.sort().map(name => getArtifact(store, outputs[name]!));
  const { files } = await unzipper.Open.buffer(Buffer.concat(await Promise.all(pieces)));
  const jpegOf = async (image: string) => files.find(({ path }) => path === `train/${image}.jpeg`)!.buffer();
  return Promise.all(images.map(async image => [image, await jpegOf(image)] as [string, Buffer]));
}
