/** `kill -9` of each process that a run on one machine has. */
import type { Embedded } from '../cli/embedded.ts';
import { descendants } from '../system/descendants.ts';
import type { Role } from '../workers/roles.ts';
import type { Blow, Harm } from './harm.ts';

/** What can be killed there. */
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

/** None where the system does not tell what a process has started. */
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

/** @returns false when it had ended before */
function end(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
