/** Creates the dependencies of a worker's activities. */
import type { Logger } from 'pino';
import { lacksCuda } from '../activities/caffe/smoke-test.ts';
import type { ActivityServices, GraphicsCard } from '../activities/dependencies.ts';
import { failureKind, finalWhere } from '../activities/failures.ts';
import { removeLeftContainers } from '../lib/process/container.ts';
import { findCaffe } from '../lib/tools/caffe.ts';
import type { Caffe } from '../lib/tools/caffe-command.ts';
import { MissingToolError } from '../lib/tools/missing-tool.ts';
import { storeId } from '../storage/identity.ts';
import { openStore } from '../storage/open.ts';
import { serveEyes } from '../synthetic/kaggle/serve-stored.ts';
import { findCards } from './gpus.ts';
import { openScratch } from './temp-dir.ts';

export interface WorkerServices extends ActivityServices {
  /** Stops the servers that were started and removes the temporary files. */
  close(): Promise<void>;
}

/**
 * Opens the store and the temporary folders, and prepares the other dependencies for their first use.
 * @param env `RETINOPATHY_STORE` names the store
 * @throws Error with a one-line message when the store is not named or cannot be opened
 */
export async function openServices(role: string, log: Logger, env: NodeJS.ProcessEnv): Promise<WorkerServices> {
  const url = env.RETINOPATHY_STORE;
  if (!url)
    throw new Error('Expected RETINOPATHY_STORE to name the store (file:DIR or s3://bucket/prefix), got nothing');
  const store = await openStore(url);
  const checked = async () => {
    await store.check();
    // The id distinguishes this store from another one, and from a folder that is not a store.
    await storeId(store);
  };
  await checked().catch(error => {
    // A transient failure must not end the worker, as its activities also wait until it passes.
    if (failureKind(error) !== 'passing') throw error;
    log.warn(error.message);
  });
  const folders = await openScratch(role, env);
  const servers = new Map<string, ReturnType<typeof serveEyes>>();

  async function provideCaffe(): Promise<Caffe> {
    const found = await findCaffe({ env, report: line => log.info(line) });
    const left = await removeLeftContainers(found.command('caffe', []), folders.isLeft, env);
    if (left > 0) log.warn(`${left} containers of a worker that was killed are removed`);
    return found;
  }

  async function provideCards(): Promise<readonly GraphicsCard[]> {
    const found = await findCards(env).catch(error => {
      // A standalone GPU worker exists for its GPUs. `npm start` and workers that only build databases work without them.
      if (role === 'gpu' && env.RETINOPATHY_EMBEDDED !== '1') throw error;
      log.warn(error.message);
      return [];
    });
    // GPUs that the setting names are kept: the smoke test reports a Caffe that cannot use them.
    if (found.length === 0 || env.RETINOPATHY_GPUS || !(await lacksCuda(services))) return found;
    const { version } = await services.caffe();
    log.warn(`Training on the CPU beside ${found.length} graphics cards: ${version} was built without CUDA, set CAFFE`);
    return [];
  }

  const services: WorkerServices = {
    store,
    log,
    env,
    scratch: folders.scratch,
    cache: folders.cache,
    // The user may install Caffe while the worker runs.
    caffe: kept(() => finalWhere(MissingToolError, 'BadInput', provideCaffe)),
    cards: kept(provideCards),
    async syntheticUrl(prefix) {
      let server = servers.get(prefix);
      if (!server) {
        server = serveEyes(store, prefix);
        servers.set(prefix, server);
        server.catch(() => servers.delete(prefix));
      }
      return (await server).url;
    },
    async close() {
      const started = await Promise.allSettled(servers.values());
      for (const server of started) if (server.status === 'fulfilled') await server.value.close();
      await folders.close();
    },
  };
  return services;
}

/** Does the work at the first call and caches the result. A failure is not cached. */
function kept<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined;
  return () => {
    result ??= work();
    result.catch(() => {
      result = undefined;
    });
    return result;
  };
}
