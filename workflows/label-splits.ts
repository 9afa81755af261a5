/** Stage 3: assigns folds by patient, and writes the lists of the four splits and one set of databases for all of them. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { BuiltDatabase, SummedPictures } from '../activities/labels/types.ts';
import { recordsPerIteration } from '../config/training.ts';
import type { Artifact } from '../storage/store.ts';
import { labelActivities, runActivities } from './activities.ts';
import { pool } from './map-concurrently.ts';
import { archiveOf } from './prepare-images.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './stage-input.ts';

const AT_ONCE = 32;
/** Amounts to seconds of work: decoding takes a millisecond or two an eye. */
const EYES_A_SUM = 4096;

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
      stage: 'label',
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
      const { plan } = assigned;
      const of = assigned.databases.length;
      await tellStage('label', { of, reason });

      let done = 0;
      const databases: BuiltDatabase[] = [];
      const sums: SummedPictures[] = [];
      const build = async (n: number) => {
        const name = assigned.databases[n]!;
        databases[n] = await labelActivities.buildDatabase.executeWithOptions({ summary: `database ${name}` }, [
          { prefix, prepare, plan, name, training },
        ]);
        await tellStage('label', { done: ++done });
      };
      const parts = Math.ceil(assigned.counts.train.eyes / EYES_A_SUM);
      const sum = async (part: number) => {
        const summary = `mean picture, part ${part + 1} of ${parts}`;
        sums[part] = await labelActivities.sumPictures.executeWithOptions({ summary }, [
          { prefix, prepare, plan, part, parts },
        ]);
      };
      await pool(of + parts, AT_ONCE, async n => {
        await mayGoOn();
        await (n < of ? build(n) : sum(n - of));
      });
      const mean = await labelActivities.averageSums.executeWithOptions({ summary: 'mean picture' }, [
        { prefix, sums },
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
