/** Names for what belongs to one process only, so that others can tell when that process is gone. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';

/** A new name that holds this process: `<host>~<pid>~<start>~<random>`. */
export function ownerName(): string {
  return [host(), process.pid, startOf(process.pid), randomBytes(6).toString('hex')].join('~');
}

/**
 * Whether the process that made the name has ended. A process of another machine (or container) cannot be asked and counts as
 * living, and so does anything that is no such name.
 */
export function isOwnerGone(name: string): boolean {
  const [on, pid, start, random] = name.split('~');
  if (random === undefined || on !== host()) return false;
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  return startOf(Number(pid)) !== start;
}

const host = () => hostname().replaceAll(/[^\w.-]/g, '_');

/** Tells a process from a later one with the same pid: start time in clock ticks since boot; `0` on systems without /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name stands in brackets and may hold spaces; the start time is the 20th field behind it.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0';
  } catch {
    return '0';
  }
}
