/** Puts together what the activities of a worker get. */
import type { Logger } from 'pino';
import { failureKind, finalFailure } from '../activities/failures.ts';
import type { ActivityServices, Caffe } from '../activities/services.ts';
import { findCaffe } from '../bootstrap/caffe.ts';
import { MissingToolError } from '../bootstrap/missing-tool.ts';
import { serveEyes } from '../demo/serve-eyes.ts';
import { openStore } from '../storage/open.ts';
import { openScratch } from './scratch.ts';

export interface WorkerServices extends ActivityServices {
  /** Stops what was started and removes the temporary files. */
  close(): Promise<void>;
}

/**
 * @param env `RETINOPATHY_STORE` names the store
 * @throws Error with one line for a person when the store is not named or cannot be opened
 */
export async function openServices(role: string, log: Logger, env: NodeJS.ProcessEnv): Promise<WorkerServices> {
  const url = env.RETINOPATHY_STORE;
  if (!url)
    throw new Error('Expected RETINOPATHY_STORE to name the store (file:DIR or s3://bucket/prefix), got nothing');
  const store = await openStore(url);
  await store.check().catch(error => {
    // What passes by itself must not end the worker: its activities wait for it as well.
    if (failureKind(error) !== 'passing') throw error;
    log.warn(error.message);
  });
  const folders = await openScratch(role, env);
  let caffe: Promise<Caffe> | undefined;
  const servers = new Map<string, ReturnType<typeof serveEyes>>();
  return {
    store,
    log,
    env,
    scratch: folders.scratch,
    cache: folders.cache,
    caffe() {
      caffe ??= findCaffe({ env, report: line => log.info(line) }).catch(error => {
        throw error instanceof MissingToolError ? finalFailure('BadInput', error.message) : error;
      });
      // A failure is not kept: somebody may supply Caffe while the worker runs.
      caffe.catch(() => {
        caffe = undefined;
      });
      return caffe;
    },
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
}
