/** Finds a Caffe that works, or makes one. */
import { join } from 'node:path';
import type { Caffe } from '../activities/services.ts';
import { buildOnce, cacheFolder } from './cache.ts';
import { verifyCaffe } from './caffe-command.ts';
import { debianMirror, installDebianCaffe } from './caffe-debian.ts';
import { treeCommand } from './caffe-tree.ts';

export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  report?: (line: string) => void;
}

export async function findCaffe({ env = process.env, report = () => {} }: FindOptions = {}): Promise<Caffe> {
  const mirror = await debianMirror(env);
  const folder = await buildOnce(
    cacheFolder(env),
    'caffe-debian11',
    part => installDebianCaffe(part, mirror!, env, report),
    report,
  );
  const command = await treeCommand(join(folder, 'root'));
  return verifyCaffe(command!, 'Debian 11');
}
