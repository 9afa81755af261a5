/** CPU that processes have used. */
import { readFile } from 'node:fs/promises';

/** Linux tells in hundredths of a second, whatever its own clock. */
const TICKS = 100;

export interface Used {
  /** Seconds, user and system. */
  own: number;
  /** Of its children that have ended. */
  children: number;
}

/** Zeros where the system does not tell. */
export async function cpuUsed(pid: number | 'self'): Promise<Used> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  // The name, in brackets, may hold anything; the state comes after it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const seconds = (...at: number[]) => at.reduce((sum, field) => sum + Number(fields[field] ?? 0), 0) / TICKS;
  return { own: seconds(11, 12), children: seconds(13, 14) };
}
