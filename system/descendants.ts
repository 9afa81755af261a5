/** The processes that this one has started, and those that they have; Linux only. */
import { readFile } from 'node:fs/promises';

export interface Descendant {
  pid: number;
  /** Its words, parted by `\0`. */
  command: string;
}

export async function descendants(of = process.pid): Promise<Descendant[]> {
  const children = await readFile(`/proc/${of}/task/${of}/children`, 'latin1').catch(() => '');
  const found: Descendant[] = [];
  for (const pid of children.split(' ').filter(Boolean).map(Number)) {
    found.push({ pid, command: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '') });
    found.push(...(await descendants(pid)));
  }
  return found;
}
