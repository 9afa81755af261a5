/** Outcome of a run, and its comparison with that of another run. */
import { isDeepStrictEqual } from 'node:util';
import type { Metrics } from '../../activities/report/types.ts';
import { readRecord } from '../../activities/run/records.ts';
import { readReportFile } from '../../activities/run/report-files.ts';
import { readTrainedRun } from '../../inference/trained-run.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { sha256 } from '../../storage/checksum.ts';
import { getJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';

export interface Outcome {
  /** SHA-256 of each network's weights at its best epoch, by the training's name. */
  best: Map<string, string>;
  /** CRC-32C of the weights of each segment, by the segment's key. */
  segments: Map<string, number>;
  /** metrics.json without the run's name, the work that it took, and the versions. */
  metrics: Omit<Metrics, 'run' | 'work' | 'versions'>;
  predictions: string;
  work: Metrics['work'];
}

/** Reads the outcome of a run. @throws Error when the store has no such run, UnusableRun when it is not finished */
export async function outcomeOf(store: ArtifactStore, run: string): Promise<Outcome> {
  const record = await readRecord(store, run);
  if (record === undefined) throw new Error(`Expected a run ${run} in ${store.url}, got none`);
  const { networks, metrics } = await readTrainedRun(store, record);
  const best = new Map<string, string>();
  for (const { name, weights } of networks) {
    best.set(name, sha256(await getArtifact(store, weights)));
  }
  const segments = new Map<string, number>();
  for await (const { key } of store.list('stages/segment/')) {
    if (!key.endsWith('/manifest.json')) continue;
    const manifest = await getJson<Manifest>(store, key);
    segments.set(manifest!.key, manifest!.outputs.caffemodel!.crc32c);
  }
  const { run: _, work, versions, ...rest } = metrics;
  const predictions = (await readReportFile(store, run, 'predictions.csv'))!.toString();
  return { best, segments, metrics: rest, work, predictions };
}

export interface Difference {
  what: string;
  same: boolean;
  /** Text for display. */
  detail: string;
}

/** Compares two outcomes. Only segments that both runs trained are compared, as a store may hold those of other runs. */
export function compareOutcomes(calm: Outcome, harmed: Outcome): Difference[] {
  const trainings = [...new Set([...calm.best.keys(), ...harmed.best.keys()])];
  const best = trainings.filter(name => calm.best.get(name) === harmed.best.get(name));
  const both = [...harmed.segments.keys()].filter(key => calm.segments.has(key));
  const segments = both.filter(key => calm.segments.get(key) === harmed.segments.get(key));
  return [
    {
      what: 'weights',
      same: best.length === trainings.length,
      detail: `${best.length} of ${trainings.length} best caffemodels have the same SHA-256`,
    },
    {
      what: 'segments',
      same: segments.length === harmed.segments.size,
      detail: `${segments.length} of ${harmed.segments.size} have the same weights`,
    },
    {
      what: 'metrics.json',
      same: isDeepStrictEqual(calm.metrics, harmed.metrics),
      detail: 'every figure, but for the work that it took',
    },
    { what: 'predictions.csv', same: calm.predictions === harmed.predictions, detail: 'byte for byte' },
  ];
}
