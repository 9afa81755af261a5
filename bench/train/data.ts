/** What is trained on: made-up eyes, prepared by the pipeline's own workers and dealt into databases by its own activities. */
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ShardIndex } from '../../activities/images/types.ts';
import { createLabelActivities } from '../../activities/labels/index.ts';
import type { BuiltDatabase } from '../../activities/labels/types.ts';
import type { ActivityServices } from '../../activities/services.ts';
import type { Embedded } from '../../cli/embedded.ts';
import type { PipelineInput } from '../../config/input.ts';
import { getJson, putBytes, putJson } from '../../storage/files.ts';
import type { Manifest, StageFolder } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import { TASK_QUEUE } from '../../workflows/names.ts';
import type { PipelineResult } from '../../workflows/retinopathy-pipeline.ts';
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
      const index: ShardIndex = { tar: `${name}.tar`, pictures: renamed };
      outputs[`${name}.index.json`] = await putJson(store, `${key}/${name}.index.json`, index);
    }
  }
  await putManifest(store, key, outputs);
  return { prepare: key, labels: await putBytes(store, `${key}/labels.csv`, `image,level\n${lines.join('')}`) };
}

/** A database as it was built. */
export interface TimedDatabase extends BuiltDatabase {
  seconds: number;
  /** Of this process and of Caffe's tools. */
  cpu: number;
}

/** The label stage, one database after the other. */
export async function buildDatabases(
  services: ActivityServices,
  { prepare, labels }: { prepare: string; labels: Artifact },
  { folds, images, training }: PipelineInput,
): Promise<{ label: string; databases: TimedDatabase[] }> {
  const activities = createLabelActivities(services);
  const run = <Result>(work: () => Promise<Result>) => new MockActivityEnvironment().run(work) as Promise<Result>;
  const prefix = prepare.replace('prepare', 'label');
  const assigned = await run(() => activities.assignFolds({ prefix, prepare, labels, folds, images, training }));
  const databases: TimedDatabase[] = [];
  for (const name of assigned.databases) {
    const began = performance.now();
    const before = await cpuUsed('self');
    const args = { prefix, prepare, plan: assigned.plan, name, images, training };
    const built = await run(() => activities.buildDatabase(args));
    const seconds = (performance.now() - began) / 1000;
    const after = await cpuUsed('self');
    databases.push({ ...built, seconds, cpu: after.own - before.own + after.children - before.children });
  }
  const mean = await run(() => activities.averageMeans({ prefix, databases }));
  await putManifest(services.store, prefix, {
    'plan.json': assigned.plan,
    'mean.binaryproto': mean,
    ...Object.fromEntries(databases.map(({ name, database }) => [`${name}.mdb`, database])),
  });
  return { label: prefix, databases };
}

async function putManifest(store: ArtifactStore, prefix: string, outputs: Record<string, Artifact>): Promise<void> {
  const [, stage, key] = prefix.split('/') as [string, StageFolder, string];
  const manifest: Manifest = {
    ...{ schemaVersion: 1, stage, key, recipe: 0, inputs: {}, parameters: null, outputs, counts: {}, seconds: 0 },
  };
  await putJson(store, `${prefix}/manifest.json`, manifest);
}
