/** What activities get in tests: a file store in a temporary folder. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import type { ActivityServices } from '../../activities/dependencies.ts';
import { createFileStore } from '../../storage/file.ts';

export interface TestServices extends ActivityServices {
  /** The temporary folder that holds all of it. */
  folder: string;
  close(): Promise<void>;
}

export async function testServices(over: Partial<ActivityServices> = {}): Promise<TestServices> {
  const folder = await mkdtemp(join(tmpdir(), 'retinopathy-test-'));
  const [scratch, cache] = [join(folder, 'scratch'), join(folder, 'cache')];
  await Promise.all([mkdir(scratch), mkdir(cache)]);
  return {
    folder,
    store: await createFileStore(join(folder, 'store')),
    log: pino({ level: 'silent' }),
    scratch,
    cache,
    env: { RETINOPATHY_FILES: folder },
    caffe: async () => {
      throw new Error('Expected no Caffe to be needed here');
    },
    syntheticUrl: async () => {
      throw new Error('Expected no made-up eyes to be served here');
    },
    cards: async () => [],
    ...over,
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
