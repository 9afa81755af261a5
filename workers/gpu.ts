/** Activities of the queue `retinopathy-gpu`: training and scoring; workers of it may vanish. */
import type { Logger } from 'pino';
import type { ActivityServices } from '../activities/services.ts';
import { createTrainingActivities } from '../activities/training/index.ts';
import { tryOut } from '../activities/training/trial.ts';
import { slotsOf } from './slots.ts';

export function gpuActivities(services: ActivityServices): object {
  return { ...createTrainingActivities(services) };
}

/**
 * Has Caffe train one iteration on each graphics card, or on the CPU where there is none, and says how many activities may then run
 * at once: one a card, as an activity more would only wait for one.
 * @throws Error with one line for a person where there is no Caffe, or a card that it cannot train on
 */
export async function gpuSlots(services: ActivityServices, log: Logger, env: NodeJS.ProcessEnv): Promise<number> {
  const cards = await services.cards();
  const slots = slotsOf(env);
  const tried = await Promise.allSettled((cards.length > 0 ? cards : [null]).map(card => tryOut(services, card)));
  // Only when all have ended: what still runs would be left behind.
  const failed = tried.find(trial => trial.status === 'rejected');
  if (failed) throw failed.reason;
  for (const { number, about } of cards) log.info(`trains on graphics card ${number}${about && `: ${about}`}`);
  if (cards.length === 0) log.info('trains on the CPU');
  return cards.length === 0
    ? slots
    : Math.min(env.RETINOPATHY_SLOTS === undefined ? cards.length : slots, cards.length);
}
