/** `kill -9` of each process of a run on one machine. */
import { readFile } from 'node:fs/promises';
import type { Role } from '../../workers/roles.ts';
import type { Embedded } from '../local/local-cluster.ts';
import type { Blow, Harm } from './strike.ts';

/** Target of the kills. */
export interface Killable {
  embedded: Embedded;
}

const REST_MS = 15_000;
const CALL_MS = 1_000;

export const KILLS: readonly Harm<Killable>[] = [
  { ...ofProcess('the cpu worker', 'cpu'), stages: ['download', 'prepare', 'label', 'regress'] },
  { ...ofProcess('the gpu worker', 'gpu'), stages: ['train'] },
  ofProcess('the workflow worker', 'workflow'),
  ofProcess("Temporal's server", 'server'),
  {
    name: 'kill -9 of Caffe',
    rest: REST_MS,
    stages: ['train'],
    async do({ embedded }) {
      const pids = (await caffes(embedded)).filter(end);
      if (pids.length === 0) return undefined;
      return { pids, over: async () => (await caffes(embedded)).some(pid => !pids.includes(pid)) };
    },
  },
];

function ofProcess(whom: string, role: Role | 'server'): Harm<Killable> {
  return {
    name: `kill -9 of ${whom}`,
    rest: REST_MS,
    async do({ embedded }): Promise<Blow | undefined> {
      const pids = running(embedded, role).filter(end);
      if (pids.length === 0) return undefined;
      return {
        pids,
        over: async () =>
          running(embedded, role).some(pid => !pids.includes(pid)) && (role !== 'server' || (await answers(embedded))),
      };
    },
  };
}

function running(embedded: Embedded, role: Role | 'server'): number[] {
  return embedded
    .processes()
    .filter(each => each.role === role)
    .map(({ pid }) => pid);
}

/** Returns the pids of the running Caffe trainings; none where the system does not list a process's children. */
async function caffes(embedded: Embedded): Promise<number[]> {
  const found = await Promise.all(running(embedded, 'gpu').map(pid => descendants(pid)));
  return found
    .flat()
    .filter(({ command }) => command.includes('train\0--solver'))
    .map(({ pid }) => pid);
}

async function answers({ client }: Embedded): Promise<boolean> {
  const ask = () => client.workflowService.getSystemInfo({});
  return client.withDeadline(Date.now() + CALL_MS, ask).then(
    () => true,
    () => false,
  );
}

/** Kills a process. @returns false when it had already ended */
function end(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

interface Descendant {
  pid: number;
  /** Command line, with its words separated by `\0`. */
  command: string;
}

/** Lists the children of a process and all their descendants. Linux only. */
export async function descendants(of = process.pid): Promise<Descendant[]> {
  const children = await readFile(`/proc/${of}/task/${of}/children`, 'latin1').catch(() => '');
  const found: Descendant[] = [];
  for (const pid of children.split(' ').filter(Boolean).map(Number)) {
    found.push({ pid, command: await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '') });
    found.push(...(await descendants(pid)));
  }
  return found;
}
