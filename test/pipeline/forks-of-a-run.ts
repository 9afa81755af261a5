/** Forks of a finished run: what they share with it, and what is theirs. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Comparison } from '../../activities/report/compare-runs.ts';
import { readRecord } from '../../activities/run/records.ts';
import { epochSnapshots } from '../../activities/training/epoch-snapshots.ts';
import { readInputs } from '../../activities/training/inputs.ts';
import { findSnapshot } from '../../activities/training/score-archive.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { TrainingArgs } from '../../activities/training/types.ts';
import { getJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Progress } from '../../workflows/progress.ts';
import { retinopathyIn } from '../support/help-examples.ts';
import { chainOf } from '../training/world.ts';
import type { FinishedRun } from './uses-of-a-run.ts';

const FORK = { split: 1, epoch: 1, set: { baseRate: 0.001 } };
const TRAINING = 'train-01-vs-234';

export function describeForks(finished: () => Promise<FinishedRun>): void {
  describe('forks of it', () => {
    let at: FinishedRun;
    let before: { key: string; weights: number }[];

    const trainingOfRun = async (run: string): Promise<TrainingArgs> => {
      const { input, stages } = (await readRecord(at.store, run))!;
      const { training, images } = input;
      return { run, name: TRAINING, heads: [1], label: `stages/label/${stages.label!.key}`, training, images };
    };
    const chain = async (run: string) => {
      const args = await trainingOfRun(run);
      const snapshots = await epochSnapshots(at.store, await readInputs({ store: at.store, env: {} }, args), args, 2);
      const keys = await chainOf(at.store, snapshots.at(-1)!.snapshot);
      return Promise.all(keys.map(async key => ({ key, weights: (await readSegment(at.store, key))!.model.crc32c })));
    };

    beforeAll(async () => {
      at = await finished();
      before = await chain(at.run);
    });

    test('a fork shares what lies before its epoch and all other splits, and trains the rest at the new rate', async () => {
      const run = `${at.run}-fork`;
      const { client } = at.embedded;
      const handle = await client.workflow.start('retinopathyPipeline', {
        ...{ workflowId: run, taskQueue: 'retinopathy', args: [{ training: { forks: [{ run: at.run, ...FORK }] } }] },
      });
      const { stages } = (await handle.result()) as { stages: Record<string, string> };
      const own = (await client.workflow.getHandle(at.run).result()).stages as Record<string, string>;
      const others = Object.keys(own).filter(name => stages[name] !== own[name]);
      expect(others).toEqual([TRAINING, 'regress']);

      const { splits } = (await handle.query('progress')) as Progress;
      expect(splits.map(({ segmentsReused, segmentsTrained }) => [segmentsReused, segmentsTrained])).toEqual([
        [4, 0],
        [2, 2],
        [4, 0],
        [4, 0],
      ]);
      const after = await chain(run);
      expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
      for (const n of [2, 3]) expect(after[n]!.weights).not.toBe(before[n]!.weights);
      const rates = await Promise.all(
        after.map(async ({ key }) => {
          const { parameters } = (await getJson<Manifest>(at.store, `stages/segment/${key}/manifest.json`))!;
          return /base_lr: (\S+)/.exec((parameters as { solver: string }).solver)![1];
        }),
      );
      expect(rates).toEqual(['0.05', '0.05', '0.001', '0.001']);

      const args = await trainingOfRun(run);
      const best = await findSnapshot({ store: at.store }, { ...args, train: `stages/train/${stages[TRAINING]}` });
      expect(after.map(({ key }) => key)).toContain(best.snapshot);
    }, 120_000);

    test('compare pairs the two on the same eyes and names the fork as what differs', async () => {
      const { code, said, stdout } = await retinopathyIn(at.folder, [
        ...['compare', at.run, `${at.run}-fork`, '--store', at.store.url, '--json'],
      ]);
      expect(code, said).toBe(0);
      const { inputs, differences } = JSON.parse(stdout) as Comparison;
      expect(inputs).toEqual([{ field: 'training.forks', values: [null, [{ run: at.run, ...FORK }]] }]);
      const [{ unpaired, eyes, figures }] = differences as [Comparison['differences'][0]];
      expect([unpaired, eyes > 0]).toEqual([null, true]);
      // What nobody trained again cannot differ.
      for (const k of [0, 2, 3] as const) expect(figures[`auc${k}`]).toEqual({ value: 0, interval: [0, 0] });
      expect(figures.auc1.interval).not.toBeNull();
    }, 60_000);

    test('a wrong fork is refused in one line, by the command and by the workflow', async () => {
      const env = { TEMPORAL_ADDRESS: at.embedded.address };
      const asked = async (...options: string[]) => {
        const { code, said } = await retinopathyIn(
          at.folder,
          ['fork', at.run, '--store', at.store.url, ...options],
          env,
        );
        return [code, said];
      };
      expect(await asked('--split', '1', '--from-epoch', '7', '--set', 'training.epochs=9')).toEqual([
        1,
        `retinopathy: Expected --from-epoch to be one that run ${at.run} has trained split 01|234 to, got 7: it has 2 epochs`,
      ]);
      expect(await asked('--split', '1', '--from-epoch', '1', '--set', 'training.batch=8')).toEqual([
        1,
        expect.stringMatching(/^retinopathy: Expected a known field, got `training\.forks\.0\.set\.batch`: known are /),
      ]);
      const gone = before[1]!.key;
      const { model, state } = (await readSegment(at.store, gone))!;
      const pair = await Promise.all(
        [model, state].map(async ({ key }) => [key, await at.store.get(key).catch(() => null)] as const),
      );
      for (const [key] of pair) await at.store.remove(key);
      expect(await asked('--split', '1', '--from-epoch', '1', '--set', 'training.baseRate=0.002')).toEqual([
        1,
        `retinopathy: Expected the snapshot of split 01|234 of run ${at.run} after epoch 1 in the store, got one that was removed (kept are the last two and the best): fork epoch 2, or give --train-again to train 1 epoch again first`,
      ]);
      for (const [key, bytes] of pair) if (bytes) await at.store.put(key, bytes);

      const wrong = at.embedded.client.workflow.execute('retinopathyPipeline', {
        ...{ workflowId: `${at.run}-fork-of-nobody`, taskQueue: 'retinopathy' },
        args: [{ training: { forks: [{ run: 'nobody', ...FORK }] } }],
      });
      const failure = await wrong.catch(error => error);
      expect(failure.cause.cause.message).toMatch(/^Expected a run nobody to fork in file:.*, got none: /);
    }, 60_000);
  });
}
