/**
 * `node --import tsx deploy/install-caffe.ts FOLDER`: Debian 11's Caffe with all it needs in a folder of its own, got as `npm start`
 * gets it, and tried: for the workers' image.
 */
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { verifyCaffe } from '../bootstrap/caffe-command.ts';
import { debianMirror, installDebianCaffe } from '../bootstrap/caffe-debian.ts';
import { treeCommand } from '../bootstrap/caffe-tree.ts';

async function install(target: string): Promise<string> {
  const mirror = await debianMirror(process.env);
  if (mirror === null) throw new Error('Expected a Debian mirror that apt knows, got none: run apt-get update first');
  await mkdir(dirname(target), { recursive: true });
  const folder = await mkdtemp(join(dirname(target), 'caffe-'));
  try {
    await installDebianCaffe(folder, mirror, process.env, line => process.stderr.write(`${line}\n`));
    const command = await treeCommand(join(folder, 'root'));
    const caffe = command === null ? 'no Caffe in it' : await verifyCaffe(command, 'Debian 11', process.env);
    if (typeof caffe === 'string') throw new Error(`Expected a Caffe that answers, got: ${caffe}`);
    // Without the packages, which only a second installation would need.
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
