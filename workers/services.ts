/** Puts together what the activities of a worker get. */
import type { Logger } from 'pino';
import { failureKind, finalFailure } from '../activities/failures.ts';
import type { ActivityServices, Caffe, GraphicsCard } from '../activities/services.ts';
import { lacksCuda } from '../activities/training/trial.ts';
import { findCaffe } from '../bootstrap/caffe.ts';
import { MissingToolError } from '../bootstrap/missing-tool.ts';
import { serveEyes } from '../demo/serve-eyes.ts';
import { openStore } from '../storage/open.ts';
import { removeLeftContainers } from '../system/container.ts';
import { findCards } from './graphics-cards.ts';
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
    if (failureKind(error) !== 'passing') throw unwritable(url, error);
    log.warn(error.message);
  });
  const folders = await openScratch(role, env);
  let caffe: Promise<Caffe> | undefined;
  let cards: Promise<readonly GraphicsCard[]> | undefined;
  const servers = new Map<string, ReturnType<typeof serveEyes>>();

  async function provideCaffe(): Promise<Caffe> {
    const found = await findCaffe({ env, report: line => log.info(line) });
    const left = await removeLeftContainers(found.command('caffe', []), folders.isLeft, env);
    if (left > 0) log.warn(`${left} containers of a worker that was killed are removed`);
    return found;
  }

  async function provideCards(): Promise<readonly GraphicsCard[]> {
    const found = await findCards(env).catch(error => {
      // On its own a GPU worker is there for its cards; `npm start` and whoever only builds databases can do without.
      if (role === 'gpu' && env.RETINOPATHY_EMBEDDED !== '1') throw error;
      log.warn(error.message);
      return [];
    });
    // Whoever names cards means them: that Caffe cannot use them is said when it is tried.
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
    caffe() {
      caffe ??= provideCaffe().catch(error => {
        throw error instanceof MissingToolError ? finalFailure('BadInput', error.message) : error;
      });
      // A failure is not kept: somebody may supply Caffe while the worker runs.
      caffe.catch(() => {
        caffe = undefined;
      });
      return caffe;
    },
    cards() {
      cards ??= provideCards();
      cards.catch(() => {
        cards = undefined;
      });
      return cards;
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
  return services;
}

/** What the system itself has refused comes without the words that S3's refusals have. */
function unwritable(url: string, error: NodeJS.ErrnoException): Error {
  if (error.syscall === undefined) return error;
  return new Error(`Expected the store ${url} to be a folder that can be written, got ${error.code}`);
}
