/** What runs on this machine. */
import { readdir, readFile } from 'node:fs/promises';

/** Pids of living processes whose command line or environment holds the text; Linux only. */
export async function processesMentioning(text: string): Promise<number[]> {
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    const pid = Number(name);
    if (!pid || pid === process.pid) continue;
    const [command, environment, status] = await Promise.all(
      ['cmdline', 'environ', 'stat'].map(file => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
    );
    // A zombie waits to be reaped and runs no more.
    const dead = !status || /^\d+ \(.*\) [ZX] /s.test(status);
    if (!dead && (command?.includes(text) || environment?.includes(text))) found.push(pid);
  }
  return found;
}
