/** The mean image of all training records, added up in parts from the shards while the databases are built. */
import type { Version } from '../../config/input.ts';
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { encodeBlob } from '../caffe/blob-proto.ts';
import { finalFailure } from '../failures.ts';
import { finishedOnce } from '../finished-work.ts';
import { decodePicture } from '../images/pixels.ts';
import { type PicturePlace, placesOf, readIndexes, readPictures } from '../images/read-shards.ts';
import { fileName } from '../images/shard-tar.ts';
import { type DatabasePlan, isTrainingDatabase, parseRecord } from './database-plan.ts';
import { meanOfSums, type PictureSum, SumOfVersions } from './image-sum.ts';
import type { AverageSumsArgs, SummedPictures, SumPicturesArgs } from './types.ts';

/** One version of an eye, and the versions of it that are trained on. */
interface EyePlace extends PicturePlace {
  given: Version;
  wanted: readonly Version[];
}

/** Adds up the part's share of the eyes, in the order of the shards. Decodes one image of each eye. */
export async function sumPictures(
  store: ArtifactStore,
  { prefix, prepare, plan, part, parts }: SumPicturesArgs,
  report: (progress: { part: number; done: number; of: number }) => void,
  signal: AbortSignal,
): Promise<SummedPictures> {
  const key = `${prefix}/sum-${String(part).padStart(2, '0')}`;
  const artifactsOf = ({ sum }: Pick<SummedPictures, 'sum'>) => [sum];
  return finishedOnce(store, `${key}.json`, artifactsOf, async () => {
    const { databases } = JSON.parse((await getArtifact(store, plan)).toString('utf8')) as DatabasePlan;
    const eyes = eyesOf(databases, await readIndexes(store, prepare), prepare);
    const [from, to] = [part, part + 1].map(n => Math.floor((n * eyes.length) / parts)) as [number, number];
    const own = eyes.slice(from, to);
    const sum = new SumOfVersions();
    await readPictures(
      store,
      own,
      signal,
      async ({ file, tar, given, wanted }, bytes) => {
        const picture = await decodePicture(bytes).catch(error => {
          throw new Error(`Expected ${file} in ${tar} to be a picture, got one that cannot be decoded`, {
            cause: error,
          });
        });
        sum.add(picture, given, wanted);
      },
      done => report({ part, done, of: own.length }),
    );
    const { data, width, height, records } = sum.total();
    return { part, width, height, records, sum: await putBytes(store, `${key}.f64`, new Uint8Array(data.buffer)) };
  });
}

/** Stores `mean.binaryproto`. */
export async function averageSums(store: ArtifactStore, { prefix, sums }: AverageSumsArgs): Promise<Artifact> {
  const read: PictureSum[] = [];
  for (const { sum, width, height, records } of sums) {
    // The copy starts at a multiple of eight bytes, as Float64Array requires.
    const data = new Float64Array(new Uint8Array(await getArtifact(store, sum)).buffer);
    read.push({ data, width, height, records });
  }
  return putBytes(store, `${prefix}/mean.binaryproto`, encodeBlob(meanOfSums(read)));
}

/** Returns every eye of the training databases, with its first version in the shards. */
function eyesOf(
  databases: DatabasePlan['databases'],
  shards: Awaited<ReturnType<typeof readIndexes>>,
  prepare: string,
): EyePlace[] {
  const wanted = new Map<string, Version[]>();
  for (const [name, records] of Object.entries(databases)) {
    if (!isTrainingDatabase(name)) continue;
    for (const record of records) {
      const { image, version } = parseRecord(record);
      const versions = wanted.get(image);
      if (versions) versions.push(version);
      else wanted.set(image, [version]);
    }
  }
  const places = placesOf(shards);
  const eyes: EyePlace[] = [];
  for (const { image, versions } of shards.flatMap(({ index }) => index.pictures)) {
    const own = wanted.get(image);
    if (!own) continue;
    const [given] = Object.keys(versions) as Version[];
    const place = given && places.get(fileName({ image, version: given }));
    if (!place) continue;
    wanted.delete(image);
    // One order for all, so that eyes with the same versions are added up together.
    eyes.push({ ...place, given, wanted: own.sort() });
  }
  const [missing] = wanted.keys();
  if (missing !== undefined) throw finalFailure('Defect', `Expected ${missing} in the shards of ${prepare}, got none`);
  return eyes;
}
