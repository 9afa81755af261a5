/** The test eyes that the regression got most wrong, with their pictures made small for the page. */
import sharp from 'sharp';
import { VERSIONS } from '../../config/stages.ts';
import { type ArtifactStore, ObjectNotFound } from '../../storage/store.ts';
import { placesOf, readIndexes } from '../labels/shards.ts';
import { readManifest } from './stored-files.ts';
import type { ReadPrediction } from './tables.ts';

export interface WorstEye extends ReadPrediction {
  /** A JPEG of `SIDE` × `SIDE` pixels; null where pictures are left out, or the shards have been cleared away. */
  jpeg: Buffer | null;
}

export const SIDE = 160;
const SHOWN = 10;

/** Wrongly staged test eyes by the distance of the score from the grade, the largest first; each eye once, whatever its versions. */
export function mostWrong(predictions: readonly ReadPrediction[]): ReadPrediction[] {
  const distance = (eye: ReadPrediction) => Math.abs(eye.expected - eye.level);
  const seen = new Set<string>();
  return predictions
    .filter(eye => eye.fold === 'test' && eye.predicted !== eye.level)
    .sort((a, b) => distance(b) - distance(a) || (a.image < b.image ? -1 : 1))
    .filter(({ image }) => !seen.has(image) && seen.add(image))
    .slice(0, SHOWN);
}

/**
 * @param label `stages/label/<key>`: its manifest names the shards that hold the pictures
 * @param pictures whether they may be shown
 */
export async function readWorstEyes(
  store: ArtifactStore,
  label: string,
  predictions: readonly ReadPrediction[],
  pictures: boolean,
): Promise<WorstEye[]> {
  const eyes = mostWrong(predictions);
  const prepare = (await readManifest(store, label))?.inputs.prepare;
  if (!pictures || prepare === undefined || eyes.length === 0) return eyes.map(eye => ({ ...eye, jpeg: null }));
  const places = placesOf(await readIndexes(store, `stages/prepare/${prepare}`));
  const worst: WorstEye[] = [];
  for (const eye of eyes) {
    const versions = eye.version === null ? VERSIONS : [eye.version];
    const place = versions.map(version => places.get(`${eye.image}.${version}.png`)).find(Boolean);
    const png = place && (await rangeIfThere(store, place.tar, { offset: place.offset, length: place.size }));
    worst.push({ ...eye, jpeg: png ? await sharp(png).resize(SIDE, SIDE).jpeg({ quality: 82 }).toBuffer() : null });
  }
  return worst;
}

async function rangeIfThere(
  store: ArtifactStore,
  key: string,
  range: { offset: number; length: number },
): Promise<Buffer | undefined> {
  try {
    return await store.get(key, range);
  } catch (error) {
    if (error instanceof ObjectNotFound) return undefined;
    throw error;
  }
}
