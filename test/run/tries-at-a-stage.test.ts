/** A real server, a real download, and a store that fails at times: the manifests say how often it was tried. */
import { fileURLToPath } from 'node:url';
import type { Context } from '@temporalio/activity';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActivityServices } from '../../activities/dependencies.ts';
import { createDownloadActivities } from '../../activities/download/index.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { getJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { serveEyes } from '../../synthetic/kaggle/serve-stored.ts';
import { cpuActivities } from '../../workers/cpu-activities.ts';
import { failurePolicy } from '../../workers/retry-limit-interceptor.ts';
import { DOWNLOAD_TASK_QUEUE, TASK_QUEUE } from '../../workflows/ids.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
let environment: TestWorkflowEnvironment;
let workers: Worker[] = [];
let running: Promise<unknown>;
const servers: Awaited<ReturnType<typeof serveEyes>>[] = [];

/** A store whose first puts of a chunk of two files fail: one that is drawn, one that is fetched. */
function unreliable(store: ArtifactStore): ArtifactStore {
  const failing = ['/files/train.zip.001.zip', '/train.zip.002/'];
  const failOnce = (name: string) => {
    const at = failing.findIndex(part => name.includes(part));
    if (at < 0) return name;
    failing.splice(at, 1);
    throw new Error('Expected the store to answer, got silence');
  };
  const put: ArtifactStore['put'] = async (key, body, options) =>
    store.put(typeof key === 'string' ? failOnce(key) : crc => failOnce(key(crc)), body, options);
  return new Proxy(store, {
    get: (_, name: keyof ArtifactStore) => (name === 'put' ? put : store[name]),
  });
}

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  services = await testServices();
  const { store } = services;
  const own: ActivityServices = {
    ...services,
    store: unreliable(store),
    syntheticUrl: async prefix => {
      const server = await serveEyes(store, prefix);
      servers.push(server);
      return server.url;
    },
  };
  const server = { executable: { type: 'existing-path', path: (await findTemporalCli()).path } } as const;
  environment = await TestWorkflowEnvironment.createLocal({ server });
  const { nativeConnection: connection } = environment;
  const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
  const interceptors = { activity: [(context: Context) => ({ inbound: failurePolicy(context) })] };
  workers = await Promise.all([
    Worker.create({ connection, taskQueue: TASK_QUEUE, workflowsPath, interceptors, activities: cpuActivities(own) }),
    Worker.create({
      connection,
      taskQueue: DOWNLOAD_TASK_QUEUE,
      interceptors,
      activities: createDownloadActivities(own),
    }),
  ]);
  running = Promise.all(workers.map(worker => worker.run()));
}, 120_000);

afterAll(async () => {
  for (const worker of workers) worker.shutdown();
  await running;
  await environment?.teardown();
  await Promise.all(servers.map(server => server.close()));
  await services?.close();
});

test('of two stages of one workflow each counts its own', async () => {
  const { key, counts } = await environment.client.workflow.execute('downloadArchive', {
    workflowId: 'tried',
    taskQueue: TASK_QUEUE,
    args: [{ input: { synthetic: { patients: 20 }, archive: { parts: 2 } } }],
  });
  const countsOf = async (stage: string, of: string) =>
    (await getJson<Manifest>(services.store, `stages/${stage}/${of}/manifest.json`))!.counts;

  // The listing, two parts and the labels; one part twice.
  const download = await countsOf('download', key);
  expect(download).toEqual({ ...counts, attempts: 5, attemptsLost: 1, secondsLost: expect.any(Number) });
  expect(download.secondsLost).toBeGreaterThan(0);
  let synthetic = '';
  for await (const { key: at } of services.store.list('stages/synthetic/')) synthetic = at.split('/')[2]!;
  expect(await countsOf('synthetic', synthetic)).toMatchObject({ pictures: 40, attempts: 2, attemptsLost: 1 });
}, 120_000);
