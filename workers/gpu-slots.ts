/** Number of activities that a worker runs at once. */
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { tryOut } from '../activities/caffe/smoke-test.ts';
import type { ActivityServices } from '../activities/dependencies.ts';
import { quote } from '../lib/quote.ts';

/**
 * Has Caffe train one iteration on each GPU, or on the CPU where there is none.
 * @returns how many activities may then run at once: one a GPU, as one more would only wait for a GPU
 * @throws Error with a one-line message when Caffe is missing or cannot train on a GPU
 */
export async function gpuSlots(services: ActivityServices, log: Logger, env: NodeJS.ProcessEnv): Promise<number> {
  const cards = await services.cards();
  const slots = slotsOf(env);
  const tried = await Promise.allSettled((cards.length > 0 ? cards : [null]).map(card => tryOut(services, card)));
  // Throws only after all have ended, so that no trial is left running.
  const failed = tried.find(trial => trial.status === 'rejected');
  if (failed) throw failed.reason;
  for (const { number, about } of cards) log.info(`trains on graphics card ${number}${about && `: ${about}`}`);
  if (cards.length === 0) log.info('trains on the CPU');
  return cards.length === 0
    ? slots
    : Math.min(env.RETINOPATHY_SLOTS === undefined ? cards.length : slots, cards.length);
}

/** Returns RETINOPATHY_SLOTS, by default the number of cores. @throws Error with a one-line message when it is no integer from 1 */
export function slotsOf(env: NodeJS.ProcessEnv): number {
  const text = env.RETINOPATHY_SLOTS ?? String(availableParallelism());
  const slots = Number(text);
  if (Number.isInteger(slots) && slots >= 1) return slots;
  throw new Error(`Expected RETINOPATHY_SLOTS to be an integer from 1, got \`${quote(text)}\``);
}
