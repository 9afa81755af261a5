/**
 * Deals the graphics cards out among the trainings of a run, a segment each. A task queue hands tasks out in no order, so the order
 * is made here: of all trainings only one task at a time waits in the queue, and the next is that of whoever is furthest behind. It
 * is asked for as soon as the one before has begun: with a card for each training nobody waits.
 */
import {
  condition,
  continueAsNew,
  defineSignal,
  getExternalWorkflowHandle,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { Turn } from '../activities/training/types.ts';

export interface TurnRequest extends Omit<Turn, 'dealer'> {
  /** Id of the workflow that asks. */
  workflow: string;
  /** How far it is, in segments; whoever has the least comes first. */
  level: number;
}

export interface Turns {
  /** In the order they asked. */
  waiting: TurnRequest[];
  /** Whose task may still wait in the queue. */
  queued: Omit<Turn, 'dealer'> | null;
  /** How many trainings begin together: before they have all asked, or left, the first that is ready would be ahead of the others. */
  expected?: number;
}

export const askSignal = defineSignal<[TurnRequest]>('ask');
export const leaveSignal = defineSignal<[name: string]>('leave');
export const endSignal = defineSignal('end');
/** From an activity: its task has left the queue. */
export const startedSignal = defineSignal<[Pick<Turn, 'name' | 'number'>]>('started');
/** To a training: the number of its request. */
export const turnSignal = defineSignal<[number]>('turn');

/** Events of a history, after which it begins anew: a long run has thousands of segments. */
const LONGEST_HISTORY = 4_000;
/** After that the ones that are ready begin: what holds a training up must not hold up all. */
const LONGEST_START = '1 minute';

/** Runs until it is told to end. */
export async function dealTurns(turns: Turns = { waiting: [], queued: null }): Promise<void> {
  const { waiting } = turns;
  let { queued } = turns;
  let ended = false;
  const here = new Set<string>();
  const free = (name: string) => {
    if (queued?.name === name) queued = null;
  };
  setHandler(askSignal, request => {
    here.add(request.name);
    // Who asks again has had its turn, also where nobody told that it had begun.
    free(request.name);
    waiting.push(request);
  });
  setHandler(startedSignal, ({ name, number }) => {
    if (queued?.number === number) free(name);
  });
  setHandler(leaveSignal, name => {
    here.add(name);
    free(name);
  });
  setHandler(endSignal, () => {
    ended = true;
  });

  const { expected } = turns;
  if (expected !== undefined) await condition(() => ended || here.size >= expected, LONGEST_START);
  while (!ended) {
    if (workflowInfo().historyLength > LONGEST_HISTORY) await continueAsNew<typeof dealTurns>({ waiting, queued });
    setCurrentDetails(describe(waiting, queued));
    await condition(() => ended || (queued === null && waiting.length > 0));
    const next = takeNext(waiting);
    if (ended || !next) continue;
    const { workflow, name, number } = next;
    queued = { name, number };
    // A training that is gone needs no turn.
    await getExternalWorkflowHandle(workflow)
      .signal(turnSignal, number)
      .catch(() => free(name));
  }
}

/** The first of those that are furthest behind. */
function takeNext(waiting: TurnRequest[]): TurnRequest | undefined {
  const least = Math.min(...waiting.map(({ level }) => level));
  const at = waiting.findIndex(({ level }) => level === least);
  return at < 0 ? undefined : waiting.splice(at, 1)[0];
}

function describe(waiting: readonly TurnRequest[], queued: Turns['queued']): string {
  const names = waiting.map(({ name }) => name).join(', ');
  return `next on a graphics card: ${queued?.name ?? 'nobody waits'}\n\nthen: ${names || 'nobody'}`;
}
