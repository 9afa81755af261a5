/** Prepared pictures of an eye, as the networks saw them. */
import { fileName } from '../../activities/labels/plan.ts';
import { placesOf, readIndexes } from '../../activities/labels/shards.ts';
import type { Version } from '../../config/input.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { UnusableRun } from '../trained-run.ts';

export interface StoredPicture {
  image: string;
  version: Version;
  file: string;
  bytes: Buffer;
}

/** @param prepare `stages/prepare/<key>`; @throws UnusableRun where a picture is not in its shards */
export async function readPictures(
  store: ArtifactStore,
  prepare: string,
  images: readonly string[],
  versions: readonly Version[],
): Promise<StoredPicture[]> {
  const places = placesOf(await readIndexes(store, prepare));
  const wanted = images.flatMap(image => versions.map(version => ({ image, version })));
  return Promise.all(
    wanted.map(async picture => {
      const file = fileName(picture);
      const place = places.get(file);
      if (place === undefined) throw new UnusableRun(`Expected ${file} in the shards of ${prepare}, got none`);
      const bytes = await store.get(place.tar, { offset: place.offset, length: place.size });
      return { ...picture, file, bytes };
    }),
  );
}
