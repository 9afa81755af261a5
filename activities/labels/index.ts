/** Stage 3: folds, lists, databases and the mean image. */
import { join } from 'node:path';
import sharp from 'sharp';
import { recordsPerIteration } from '../../config/training.ts';
import { getArtifact, putBytes, putFile } from '../../storage/artifacts.ts';
import type { Artifact } from '../../storage/store.ts';
import { type ActivityServices, inWorkspace } from '../dependencies.ts';
import { parseLabels } from '../download/parse-labels.ts';
import { finalFailure, finalWhere } from '../failures.ts';
import { finishedOnce } from '../finished-work.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { extractPictures, placesOf, readIndexes } from '../images/read-shards.ts';
import { makeDatabase } from './database.ts';
import { type DatabasePlan, planDatabases } from './database-plan.ts';
import { assignFolds, countFolds, type Eye, formatFolds, patientsInSeveralFolds, splitLists } from './folds.ts';
import { averageSums, sumPictures } from './mean-image.ts';
import type { BuiltDatabase, LabelActivities } from './types.ts';

export function createLabelActivities(services: ActivityServices): LabelActivities {
  const { store } = services;
  // Workers add up one part per core, so threads of libvips would only compete. The cache is off, as no image comes twice.
  sharp.concurrency(1);
  sharp.cache(false);

  return withHeartbeats<LabelActivities>({
    async assignFolds(args) {
      const { prefix, folds, images, training } = args;
      const stages = parseLabels(await getArtifact(store, args.labels), args.labels.key).levels;
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
      // Too few images are an error of the input.
      const { plan, trimmed } = await finalWhere(RangeError, 'BadInput', () =>
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
    },

    buildDatabase(args, report, signal) {
      const { prefix, name, training } = args;
      const artifactsOf = ({ database }: Pick<BuiltDatabase, 'database'>) => [database];
      return finishedOnce(store, `${prefix}/${name}.json`, artifactsOf, async () => {
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

        return inWorkspace(services, 'database', async folder => {
          await extractPictures(store, wanted, join(folder, 'pictures'), signal, done =>
            report({ database: name, doing: 'pictures', done, of: records.length }),
          );
          await makeDatabase({
            caffe: await services.caffe(),
            cwd: folder,
            signal,
            records,
            encoded: training.encoded === 'auto' ? (await services.cards()).length === 0 : training.encoded,
            onProgress: done => report({ database: name, doing: 'records', done, of: records.length }),
          });
          const database = await putFile(store, `${prefix}/${name}.mdb`, join(folder, 'database', 'data.mdb'));
          return { name, database, records: records.length };
        });
      });
    },

    sumPictures: (args, report, signal) => sumPictures(store, args, report, signal),
    averageSums: args => averageSums(store, args),
  });
}
