/** One run of the pipeline, left alone or not, and what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { PartialPipelineInput } from '../../config/input.ts';
import type { Random } from '../../demo/random.ts';
import { getJson } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { HARMS } from './harm.ts';
import { type Installation, install } from './installation.ts';

export interface Outcome {
  seconds: number;
  /** CRC-32C of the weights of each segment, by the segment's key. */
  weights: Map<string, number>;
  /** metrics.json without what the work came to and the run's name. */
  metrics: unknown;
  predictions: string;
  work: { segmentsTrained: number; segmentsRepeated: number; iterationsLost: number; secondsLost: number };
  /** How often each kind of harm was done. */
  harm: Map<string, number>;
  restarts: string[];
}

export interface Trouble {
  random: Random;
  /** Milliseconds between two harms, from and to. */
  every: readonly [number, number];
  /** Each kind comes once, in a random order, and then nothing more; else any of them comes at any time. */
  once: boolean;
  report(line: string): void;
}

const RUN = 'chaos';

/** @param trouble undefined for a calm run */
export async function runOnce(
  folder: string,
  input: PartialPipelineInput,
  signal: AbortSignal,
  trouble?: Trouble,
): Promise<Outcome> {
  const installation = await install(folder);
  const harm = new Map<string, number>();
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  try {
    const began = performance.now();
    const { embedded } = installation;
    const handle = await embedded.client.workflow.start('retinopathyPipeline', {
      taskQueue: 'retinopathy',
      workflowId: RUN,
      args: [input],
    });
    const harming = trouble ? doHarm(installation, trouble, harm, either) : Promise.resolve();
    harming.catch(() => {});
    const stopped = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    );
    await Promise.race([finished(installation, handle.workflowId, either), embedded.broken, stopped]);
    const seconds = (performance.now() - began) / 1000;
    ending.abort();
    await harming;
    return { seconds, harm, restarts: installation.restarts, ...(await resultsOf(installation.store, RUN)) };
  } finally {
    ending.abort();
    await installation.close();
  }
}

/** Asks again when the server was killed in the middle of a question. */
async function finished({ embedded }: Installation, id: string, signal: AbortSignal): Promise<void> {
  const handle = embedded.client.workflow.getHandle(id);
  while (!signal.aborted) {
    const status = await handle.describe().then(
      ({ status }) => status.name,
      () => 'RUNNING',
    );
    if (status === 'COMPLETED') return;
    if (status !== 'RUNNING') {
      await handle.result();
      throw new Error(`Expected the run to complete, got ${status}`);
    }
    await sleep(500);
  }
}

async function doHarm(
  installation: Installation,
  { random, every, once, report }: Trouble,
  done: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now();
  const last = new Map<string, number>();
  let left = [...HARMS];
  while (left.length > 0) {
    await sleep(random.between(...every), undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    const rested = left.filter(({ name, rest }) => performance.now() - (last.get(name) ?? -rest) >= rest);
    if (rested.length === 0) continue;
    const harm = random.pick(rested);
    if (!(await harm.do(installation, signal))) continue;
    if (once) left = left.filter(each => each !== harm);
    last.set(harm.name, performance.now());
    done.set(harm.name, (done.get(harm.name) ?? 0) + 1);
    report(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${harm.name}`);
  }
}

export type Results = Pick<Outcome, 'weights' | 'metrics' | 'predictions' | 'work'>;

/** What a finished run has left in a store that holds no other run's segments. */
export async function resultsOf(store: ArtifactStore, run: string): Promise<Results> {
  const weights = new Map<string, number>();
  for await (const { key } of store.list('stages/segment/')) {
    if (!key.endsWith('/manifest.json')) continue;
    const manifest = await getJson<Manifest>(store, key);
    weights.set(manifest!.key, manifest!.outputs.caffemodel!.crc32c);
  }
  const report = `runs/${run}/report`;
  const {
    work,
    run: _,
    ...metrics
  } = (await getJson<{ work: Outcome['work']; run: string }>(store, `${report}/metrics.json`))!;
  return { weights, metrics, work, predictions: (await store.get(`${report}/predictions.csv`)).toString() };
}
