/** What the processor can do, where the system tells. */
import { readFile } from 'node:fs/promises';

/** Whether it has the instructions of Intel's Haswell of 2013, which any x86 server since then has; false where there is no telling. */
export async function isHaswellOrLater(): Promise<boolean> {
  if (process.arch !== 'x64') return false;
  const told = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const flags = /^flags\s*:(.*)$/m.exec(told)?.[1]?.split(' ') ?? [];
  return ['avx2', 'fma'].every(flag => flags.includes(flag));
}
