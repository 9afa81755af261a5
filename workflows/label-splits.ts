/** Stage 3: folds by patient, the lists of the four splits, and one set of databases for all of them. */
import { ApplicationFailure } from '@temporalio/workflow';
import { recordsPerIteration } from '../config/iteration.ts';
import type { Artifact } from '../storage/store.ts';
import { pool } from './pool.ts';
import { archiveOf } from './prepare-images.ts';
import { labelActivities, runActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './standalone.ts';

const DATABASES_AT_ONCE = 32;

export async function labelSplits(args: StageArgs = {}): Promise<StageResult> {
  const { run, input, upstream } = await locate(args, 'label');
  const { mayGoOn } = listenToSteering();
  const prepareKey = required(upstream, 'prepare', run);
  const download = await runActivities.readManifest({ stage: 'download', key: required(upstream, 'download', run) });
  const { labels } = archiveOf(download);
  if (!labels) {
    throw ApplicationFailure.nonRetryable(
      'Expected labels to train on, got none: set `archive.labels`, or stop after `prepare` with `until`',
      'BadInput',
    );
  }
  const { folds, images, training } = input;
  const prepare = `stages/prepare/${prepareKey}`;

  return asStage(
    {
      run,
      name: 'label',
      stage: 'label',
      recipe: RECIPES.label,
      inputs: { prepare: prepareKey, labels: `${labels.crc32c}/${labels.size}` },
      parameters: {
        folds,
        batch: recordsPerIteration(training),
        segmentsPerEpoch: training.segmentsPerEpoch,
        encoded: training.encoded,
        seed: training.seed,
      },
    },
    async ({ prefix, reason }) => {
      const assigned = await labelActivities.assignFolds.executeWithOptions({ summary: `folds by ${folds.unit}` }, [
        { prefix, prepare, labels, folds, images, training },
      ]);
      await tellStage('label', { of: assigned.databases.length, reason });

      let done = 0;
      const databases = await pool(assigned.databases.length, DATABASES_AT_ONCE, async n => {
        await mayGoOn();
        const name = assigned.databases[n]!;
        const built = await labelActivities.buildDatabase.executeWithOptions({ summary: `database ${name}` }, [
          { prefix, prepare, plan: assigned.plan, name, images, training },
        ]);
        await tellStage('label', { done: ++done });
        return built;
      });
      const mean = await labelActivities.averageMeans.executeWithOptions({ summary: 'mean picture' }, [
        { prefix, databases },
      ]);

      const outputs: Record<string, Artifact> = {
        'folds.csv': assigned.folds,
        'plan.json': assigned.plan,
        'mean.binaryproto': mean,
        ...assigned.lists,
      };
      for (const { name, database } of databases) outputs[`${name}.mdb`] = database;
      const counts: Record<string, number> = { databases: databases.length, trimmed: assigned.trimmed };
      for (const [fold, { patients, eyes }] of Object.entries(assigned.counts)) {
        counts[`${fold}Patients`] = patients;
        counts[`${fold}Eyes`] = eyes;
      }
      counts.records = databases.reduce((sum, { records }) => sum + records, 0);
      return { outputs, counts };
    },
  );
}
