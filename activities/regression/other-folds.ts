/** The same pictures and networks with folds dealt the other way: what the leak of 2015 is worth shows only side by side. */
import { differences } from '../../config/differences.ts';
import type { PipelineInput } from '../../config/input.ts';
import { getJson } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { RunRecord } from '../run/types.ts';
import type { Leak, Metrics } from './metrics.ts';

/** The first split of a finished run with the other unit of folds. */
export interface OtherFolds {
  run: string;
  unit: PipelineInput['folds']['unit'];
  accuracy: number | null;
  majorityAccuracy: number | null;
  leak: Leak;
}

/** The newest of the store's finished runs that differs from `input` in the unit of its folds and in nothing that is trained; null where there is none. */
export async function findOtherFolds(
  store: ArtifactStore,
  run: string,
  input: PipelineInput,
): Promise<OtherFolds | null> {
  const others: RunRecord[] = [];
  for await (const { key } of store.list('runs/')) {
    if (!key.endsWith('/run.json') || key === `${runFolder(run)}/run.json`) continue;
    const other = await getJson<RunRecord>(store, key);
    if (other && other.input.folds.unit !== input.folds.unit && trainsTheSame(other.input, input)) others.push(other);
  }
  others.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  for (const other of others) {
    const metrics = await getJson<Metrics>(store, `${runFolder(other.run)}/report/metrics.json`);
    const first = metrics?.splits[0];
    if (!metrics || !first) continue;
    const { accuracy, majorityAccuracy } = first;
    return { run: other.run, unit: metrics.folds.unit, accuracy, majorityAccuracy, leak: metrics.folds.leak };
  }
  return null;
}

function trainsTheSame(a: PipelineInput, b: PipelineInput): boolean {
  const trained = ({ source, synthetic, archive, images, training }: PipelineInput) => ({
    ...{ source, synthetic, archive, images, training },
  });
  return differences(trained(a), trained(b)).length === 0;
}
