/** How many activities a worker runs at once. */
import { availableParallelism } from 'node:os';

/** @returns RETINOPATHY_SLOTS, by default the cores. @throws Error with one line for a person */
export function slotsOf(env: NodeJS.ProcessEnv): number {
  const text = env.RETINOPATHY_SLOTS ?? String(availableParallelism());
  const slots = Number(text);
  if (Number.isInteger(slots) && slots >= 1) return slots;
  throw new Error(`Expected RETINOPATHY_SLOTS to be an integer from 1, got \`${text}\``);
}
