/** What is trained on: made-up eyes, prepared by the pipeline's own workers and dealt into databases by its own activities. */
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ActivityServices } from '../../../activities/dependencies.ts';
import type { ShardIndex } from '../../../activities/images/types.ts';
import { createLabelActivities } from '../../../activities/labels/index.ts';
import type { BuiltDatabase } from '../../../activities/labels/types.ts';
import type { Embedded } from '../../../cli/local/local-cluster.ts';
import type { PipelineInput } from '../../../config/input.ts';
import { putBytes } from '../../../storage/artifacts.ts';
import { getJson, putJson } from '../../../storage/documents.ts';
import type { Manifest, StageFolder } from '../../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../../storage/store.ts';
import { TASK_QUEUE } from '../../../workflows/ids.ts';
import type { PipelineResult } from '../../../workflows/retinopathy-pipeline.ts';
import { cpuUsed } from './cpu-seconds.ts';

/** Draws eyes and prepares them. @returns `stages/prepare/<key>` */
export async function prepareEyes(
  { client, broken }: Embedded,
  input: PipelineInput,
  signal: AbortSignal,
): Promise<string> {
  const pipeline = await client.workflow.start('retinopathyPipeline', {
    taskQueue: TASK_QUEUE,
    workflowId: 'eyes',
    args: [{ ...input, until: 'prepare' }],
  });
  const { stages } = (await Promise.race([pipeline.result(), broken, abortion(signal)])) as PipelineResult;
  return `stages/prepare/${stages.prepare}`;
}

/** Rejects when the bench is stopped. */
export function abortion(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

/** Patients of one copy have numbers below this. */
const COPY = 10_000;

/**
 * The same eyes under the names of other patients, `copies` times, as a prepare stage of its own with shards of its own: every byte
 * that is read for a record is there.
 */
export async function repeatEyes(
  store: ArtifactStore,
  prepare: string,
  copies: number,
): Promise<{ prepare: string; labels: Artifact }> {
  const key = `stages/prepare/${String(copies).padStart(16, '0')}`;
  const manifest = (await getJson<Manifest>(store, `${prepare}/manifest.json`))!;
  const shards = Object.values(manifest.outputs).filter(({ key: at }) => at.endsWith('.index.json'));
  const outputs: Record<string, Artifact> = {};
  const lines: string[] = [];
  for (let copy = 0; copy < copies; copy++) {
    for (const [n, { key: at }] of shards.entries()) {
      const name = `shard-${String(copy * shards.length + n).padStart(5, '0')}`;
      const { pictures } = (await getJson<ShardIndex>(store, at))!;
      const renamed = pictures.map(picture => ({
        ...picture,
        image: picture.image.replace(/^\d+/, patient => String(copy * COPY + Number(patient))),
      }));
      lines.push(...renamed.map(({ image, stage }) => `${image},${stage}\n`));
      const tar = await store.get(at.replace(/index\.json$/, 'tar'));
      outputs[`${name}.tar`] = await putBytes(store, `${key}/${name}.tar`, tar);
      const index: ShardIndex = { tar: `${key}/${name}.tar`, pictures: renamed };
      outputs[`${name}.index.json`] = await putBytes(store, `${key}/${name}.index.json`, JSON.stringify(index));
    }
  }
  await putManifest(store, key, outputs);
  return { prepare: key, labels: await putBytes(store, `${key}/labels.csv`, `image,level\n${lines.join('')}`) };
}

/** What a piece of the label stage took. */
export interface Timed {
  seconds: number;
  /** Of this process and of Caffe's tools. */
  cpu: number;
}

/** A database as it was built. */
export interface TimedDatabase extends BuiltDatabase, Timed {}

export interface TimedStage {
  /** `stages/label/<key>` */
  label: string;
  databases: TimedDatabase[];
  /** The mean picture of the training records. */
  mean: Timed & { records: number };
}

/** The label stage, one database after the other, then the mean picture. */
export async function buildDatabases(
  services: ActivityServices,
  { prepare, labels }: { prepare: string; labels: Artifact },
  { folds, images, training }: PipelineInput,
): Promise<TimedStage> {
  const activities = createLabelActivities(services);
  const run = <Result>(work: () => Promise<Result>) => new MockActivityEnvironment().run(work) as Promise<Result>;
  const prefix = prepare.replace('prepare', 'label');
  const assigned = await run(() => activities.assignFolds({ prefix, prepare, labels, folds, images, training }));
  const { plan } = assigned;
  const databases: TimedDatabase[] = [];
  for (const name of assigned.databases) {
    const args = { prefix, prepare, plan, name, images, training };
    databases.push(await timed(() => run(() => activities.buildDatabase(args))));
  }
  const mean = await timed(async () => {
    const sum = await run(() => activities.sumPictures({ prefix, prepare, plan, part: 0, parts: 1 }));
    const average = await run(() => activities.averageSums({ prefix, sums: [sum] }));
    return { average, records: sum.records };
  });
  await putManifest(services.store, prefix, {
    'plan.json': plan,
    'mean.binaryproto': mean.average,
    ...Object.fromEntries(databases.map(({ name, database }) => [`${name}.mdb`, database])),
  });
  return { label: prefix, databases, mean };
}

async function timed<Result>(work: () => Promise<Result>): Promise<Result & Timed> {
  const began = performance.now();
  const before = await cpuUsed('self');
  const result = await work();
  const seconds = (performance.now() - began) / 1000;
  const after = await cpuUsed('self');
  return { ...result, seconds, cpu: after.own - before.own + after.children - before.children };
}

async function putManifest(store: ArtifactStore, prefix: string, outputs: Record<string, Artifact>): Promise<void> {
  const [, stage, key] = prefix.split('/') as [string, StageFolder, string];
  const manifest: Manifest = {
    ...{ schemaVersion: 1, stage, key, recipe: 0, inputs: {}, parameters: null, outputs, counts: {}, seconds: 0 },
  };
  await putJson(store, `${prefix}/manifest.json`, manifest);
}
