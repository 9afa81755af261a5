/** Whether a run has come to its end. */
import type { Listed } from '../storage/store.ts';
import type { RunInStore } from './inventory.ts';

/**
 * Every stage that it opened is finished, the last one that it was asked for among them, and nothing of it was written lately: a
 * report is written after the last stage. A run that was ended on its way never is.
 */
export function isFinished({ folder, input, opened }: RunInStore, objects: readonly Listed[], before: number): boolean {
  if (input === null || !opened.every(({ finished }) => finished)) return false;
  if (objects.some(({ key, modified }) => key.startsWith(folder) && modified > before)) return false;
  const trainings = input.training.layout === 'four-heads' ? 1 : 4;
  const last = opened.filter(({ stage }) => stage === input.until).length;
  return last >= (input.until === 'train' ? trainings : 1);
}
