/** Stage 3: folds, lists, databases and the mean picture. */
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { recordsPerIteration } from '../../config/iteration.ts';
import { getArtifact, getJson, putBytes, putFile } from '../../storage/files.ts';
import type { Artifact } from '../../storage/store.ts';
import { finalFailure } from '../failures.ts';
import { withHeartbeat } from '../heartbeat.ts';
import type { ActivityServices } from '../services.ts';
import { averageBlobs, decodeBlob, encodeBlob } from '../training/blob-proto.ts';
import { makeDatabase } from './database.ts';
import { assignFolds, countFolds, type Eye, patientsInSeveralFolds } from './folds.ts';
import { formatFolds, splitLists } from './lists.ts';
import { averageSums, type SumProgress, sumPictures } from './mean.ts';
import { type DatabasePlan, isTrainingDatabase, planDatabases } from './plan.ts';
import { extractPictures, placesOf, readIndexes } from './shards.ts';
import type {
  AssignedFolds,
  AssignFoldsArgs,
  AverageMeansArgs,
  BuildDatabaseArgs,
  BuiltDatabase,
  LabelActivities,
  SummedPictures,
} from './types.ts';

/** Heartbeat details while a database is built. */
export interface DatabaseProgress {
  database: string;
  /** What is being done: `pictures` out of the shards, or `records` into the database. */
  doing: 'pictures' | 'records';
  done: number;
  of: number;
}

export function createLabelActivities(services: ActivityServices): LabelActivities {
  const { store } = services;
  // A worker adds up a part for each of its cores: threads of libvips would only compete, and no picture comes twice.
  sharp.concurrency(1);
  sharp.cache(false);

  async function deal(args: AssignFoldsArgs): Promise<AssignedFolds> {
    const { prefix, folds, images, training } = args;
    const stages = parseLabels(await getArtifact(store, args.labels), args.labels.key);
    const shards = await readIndexes(store, args.prepare);
    const eyes = shards
      .flatMap(({ index }) => index.pictures)
      .map(({ image }): Eye => {
        const stage = stages.get(image);
        if (stage === undefined)
          throw finalFailure(
            'BadLabels',
            `Expected a label for ${image}, got none in ${args.labels.key}: add it, or leave the picture out`,
          );
        return { image, stage };
      });
    const rows = assignFolds(eyes, folds, images.versions);
    if (folds.unit === 'patient') {
      const [patient] = patientsInSeveralFolds(rows);
      if (patient !== undefined)
        throw finalFailure(
          'Defect',
          `Expected all pictures of a patient in one fold, got patient ${patient} in several`,
        );
    }
    const { plan, trimmed } = planned(() =>
      planDatabases(rows, {
        versions: images.versions,
        batch: recordsPerIteration(training),
        segmentsPerEpoch: training.segmentsPerEpoch,
        seed: training.seed,
      }),
    );
    const lists: Record<string, Artifact> = {};
    for (const [name, text] of Object.entries(splitLists(plan)))
      lists[name] = await putBytes(store, `${prefix}/${name}`, text);
    return {
      folds: await putBytes(store, `${prefix}/folds.csv`, formatFolds(rows)),
      plan: await putBytes(store, `${prefix}/plan.json`, JSON.stringify(plan)),
      lists,
      databases: Object.keys(plan.databases),
      counts: countFolds(rows),
      trimmed,
    };
  }

  async function build(
    args: BuildDatabaseArgs,
    report: (progress: DatabaseProgress) => void,
    signal: AbortSignal,
  ): Promise<BuiltDatabase> {
    const { prefix, name, training } = args;
    const withMean = args.mean !== false && isTrainingDatabase(name);
    const finished = await getJson<Omit<BuiltDatabase, 'reused'>>(store, `${prefix}/${name}.json`);
    if (finished && (finished.mean || !withMean)) return { ...finished, reused: true };

    const plan = JSON.parse((await getArtifact(store, args.plan)).toString('utf8')) as DatabasePlan;
    const records = plan.databases[name];
    if (!records)
      throw finalFailure('BadInput', `Expected ${args.plan.key} to plan the database ${name}, got no such name`);
    const places = placesOf(await readIndexes(store, args.prepare));
    const wanted = records.map(record => {
      const file = record.slice(0, record.lastIndexOf(' '));
      const place = places.get(file);
      if (!place) throw finalFailure('Defect', `Expected ${file} in the shards of ${args.prepare}, got none`);
      return place;
    });

    const folder = join(services.scratch, `database-${randomUUID()}`);
    await mkdir(folder, { recursive: true });
    try {
      await extractPictures(store, wanted, join(folder, 'pictures'), signal, done =>
        report({ database: name, doing: 'pictures', done, of: records.length }),
      );
      await makeDatabase({
        caffe: await services.caffe(),
        cwd: folder,
        signal,
        records,
        encoded: training.encoded === 'auto' ? (await services.cards()).length === 0 : training.encoded,
        mean: withMean,
        onProgress: done => report({ database: name, doing: 'records', done, of: records.length }),
      });
      const database = await putFile(store, `${prefix}/${name}.mdb`, join(folder, 'database', 'data.mdb'));
      const mean = withMean
        ? await putBytes(store, `${prefix}/${name}.mean.binaryproto`, await readFile(join(folder, 'mean.binaryproto')))
        : null;
      const built = { name, database, mean, records: records.length };
      // Last: it is what a later attempt takes as finished.
      await store.put(`${prefix}/${name}.json`, Buffer.from(JSON.stringify(built)));
      return { ...built, reused: false };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async function average({ prefix, databases }: AverageMeansArgs): Promise<Artifact> {
    const parts = [];
    for (const { name, mean, records } of databases) {
      if (!isTrainingDatabase(name)) continue;
      if (!mean) throw finalFailure('Defect', `Expected the mean picture of ${name}, got none`);
      parts.push({ blob: decodeBlob(await getArtifact(store, mean)), weight: records });
    }
    return putBytes(store, `${prefix}/mean.binaryproto`, encodeBlob(averageBlobs(parts)));
  }

  return {
    assignFolds: args => withHeartbeat(() => deal(args)),
    buildDatabase: args =>
      withHeartbeat<DatabaseProgress, BuiltDatabase>((report, signal) => build(args, report, signal)),
    sumPictures: args =>
      withHeartbeat<SumProgress, SummedPictures>((report, signal) => sumPictures(store, args, report, signal)),
    averageSums: args => withHeartbeat(() => averageSums(store, args)),
    averageMeans: args => withHeartbeat(() => average(args)),
  };
}

/** Too few pictures are the caller's matter: no retry brings more. */
function planned<Result>(plan: () => Result): Result {
  try {
    return plan();
  } catch (error) {
    if (error instanceof RangeError) throw finalFailure('BadInput', error.message);
    throw error;
  }
}

function parseLabels(csv: Uint8Array, name: string): Map<string, number> {
  const rows = parse(Buffer.from(csv), { columns: true, skip_empty_lines: true, bom: true }) as Record<
    string,
    string
  >[];
  return new Map(
    rows.map(({ image = '', level = '' }) => {
      if (!/^[0-4]$/.test(level))
        throw finalFailure('BadLabels', `Expected a level from 0 to 4 for \`${image}\` in ${name}, got \`${level}\``);
      return [image, Number(level)];
    }),
  );
}
