/** A stand-in for Docker's client whose containers are processes of this machine, running the real Caffe. */
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { caffePrograms } from './caffe.ts';

export interface StandInDocker {
  /** For the setting CAFFE. */
  caffe: string;
  /** Command lines that ran in containers so far. */
  ran(): Promise<string[]>;
  /** What there is now: the labels of each container. */
  containers(): Promise<Record<string, string>[]>;
  /** Halts what runs in them, so that none ends by itself. */
  freeze(): Promise<void>;
}

/** @param folder an existing one, without spaces in its name */
export async function standInDocker(folder: string): Promise<StandInDocker> {
  const docker = join(folder, 'docker');
  await copyFile(fileURLToPath(new URL('docker.sh', import.meta.url)), docker);
  await mkdir(join(folder, 'containers'));
  const state = join(folder, 'containers');
  const names = async () =>
    (await readdir(state, { withFileTypes: true })).filter(entry => entry.isDirectory()).map(({ name }) => name);
  return {
    caffe: `${docker} run --gpus all some/image ${join(await caffePrograms(join(folder, 'image')), 'caffe')}`,
    ran: async () => (await readFile(join(folder, 'ran'), 'utf8')).trim().split('\n'),
    containers: async () => {
      // One that is being made or removed has no labels.
      const read = async (name: string) => readFile(join(state, name, 'labels'), 'utf8').catch(() => undefined);
      const labels = await Promise.all((await names()).map(read));
      return labels
        .filter(text => text !== undefined)
        .map(text =>
          Object.fromEntries(
            text
              .trim()
              .split('\n')
              .map(line => line.split('=', 2)),
          ),
        );
    },
    freeze: async () => {
      for (const name of await names()) {
        const group = await readFile(join(state, name, 'pid'), 'utf8').catch(() => undefined);
        if (group) process.kill(-Number(group), 'SIGSTOP');
      }
    },
  };
}
