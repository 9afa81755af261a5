/**
 * `node --import tsx deploy/install-caffe.ts FOLDER`: installs Debian 11's Caffe with its dependencies into a folder and checks it.
 * The steps are those of `npm start`. The workers' image uses it.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { treeCommand } from '../lib/tools/caffe.ts';
import { verifyCaffe } from '../lib/tools/caffe-command.ts';
import { debianMirror, installDebianCaffe } from '../lib/tools/caffe-debian.ts';

async function install(target: string): Promise<string> {
  const mirror = await debianMirror(process.env);
  if (mirror === null) throw new Error('Expected a Debian mirror that apt knows, got none: run apt-get update first');
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), 'caffe-'));
  try {
    const report = (line: string) => process.stderr.write(`${line}\n`);
    await installDebianCaffe(folder, { mirror, env: process.env, report });
    const command = await treeCommand(join(folder, 'root'));
    const caffe = command === null ? 'no Caffe in it' : await verifyCaffe(command, 'Debian 11', process.env);
    if (typeof caffe === 'string') throw new Error(`Expected a Caffe that answers, got: ${caffe}`);
    // The packages are left out, because only a second installation would need them.
    await rename(join(folder, 'root'), target);
    return caffe.version;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const [target] = process.argv.slice(2);
try {
  if (!target) throw new Error('Expected a folder for Caffe, got nothing');
  process.stdout.write(`${await install(target)}: ${target}\n`);
} catch (error) {
  process.stderr.write(`install-caffe: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
