/** What runs on this machine. */
import { readdir, readFile } from 'node:fs/promises';

/** Stands on the command line of a Caffe that trains. */
export const CAFFE_TRAINS = 'train\0--solver';

/** Pids of living processes whose command line or environment holds each of the texts (words are parted by `\\0`); Linux only. */
export async function processesMentioning(...texts: string[]): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!pid || pid === process.pid) continue;
    const [command, environment, status] = await Promise.all(
      ['cmdline', 'environ', 'stat'].map(file => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
    );
    // A zombie waits to be reaped and runs no more.
    const dead = !status || /^\d+ \(.*\) [ZX] /s.test(status);
    const holds = (text: string) => command?.includes(text) || environment?.includes(text);
    if (!dead && texts.every(holds)) found.push(pid);
  }
  return found;
}
