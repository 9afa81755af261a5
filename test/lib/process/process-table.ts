/** What runs on this machine, for tests that must find nothing left. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface Running {
  pid: number;
  ppid: number;
  command: string;
}

/** All processes but the dead that wait to be reaped. */
export async function runningProcesses(): Promise<Running[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pid=,ppid=,stat=,args='], { maxBuffer: 1 << 26 });
  return stdout.split('\n').flatMap(line => {
    const [, pid, ppid, stat, command] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    return stat === undefined || stat.startsWith('Z')
      ? []
      : [{ pid: Number(pid), ppid: Number(ppid), command: command ?? '' }];
  });
}

/** A process with its children, their children, and so on. */
export async function processTree(root: number): Promise<Running[]> {
  const all = await runningProcesses();
  const tree = all.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...all.filter(({ ppid }) => ppid === pid));
  return tree;
}

/** Those of the given processes that still run after at most `withinMs`; looks as often as it can. */
export async function leftOf(processes: readonly Running[], withinMs: number): Promise<Running[]> {
  const until = Date.now() + withinMs;
  for (;;) {
    const now = await runningProcesses();
    const left = processes.filter(({ pid, command }) => now.some(one => one.pid === pid && one.command === command));
    if (left.length === 0 || Date.now() > until) return left;
    await sleep(50);
  }
}
