/** Finds the test eyes with the largest errors of the regression, and reads their images as thumbnails for the page. */
import sharp from 'sharp';
import { VERSIONS } from '../../config/stages.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { placesOf, readIndexes, readPicture } from '../images/read-shards.ts';
import type { ReadPrediction } from './tables.ts';

export interface WorstEye extends ReadPrediction {
  /** JPEG of `SIDE` × `SIDE` pixels; null where images are left out, or the shards have been removed. */
  jpeg: Buffer | null;
}

export const SIDE = 160;
const SHOWN = 10;

/** Returns misgraded test eyes by the distance between score and grade, the largest first. Each eye is listed once. */
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
 * Reads the worst errors and their thumbnails.
 * @param label `stages/label/<key>`, whose manifest names the prepare stage with the images
 * @param pictures true when images may be shown
 */
export async function readWorstEyes(
  store: ArtifactStore,
  label: string,
  predictions: readonly ReadPrediction[],
  pictures: boolean,
): Promise<WorstEye[]> {
  const eyes = mostWrong(predictions);
  const prepare = (await needManifest(store, label)).inputs.prepare;
  if (!pictures || prepare === undefined || eyes.length === 0) return eyes.map(eye => ({ ...eye, jpeg: null }));
  const places = placesOf(await readIndexes(store, `stages/prepare/${prepare}`));
  const worst: WorstEye[] = [];
  for (const eye of eyes) {
    const versions = eye.version === null ? VERSIONS : [eye.version];
    const place = versions.map(version => places.get(`${eye.image}.${version}.png`)).find(Boolean);
    const png = place && (await store.head(place.tar)) && (await readPicture(store, place));
    worst.push({ ...eye, jpeg: png ? await sharp(png).resize(SIDE, SIDE).jpeg({ quality: 82 }).toBuffer() : null });
  }
  return worst;
}
