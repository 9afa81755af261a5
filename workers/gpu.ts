/** Activities of the queue `retinopathy-gpu`: training and scoring; workers of it may vanish. */
import type { ActivityServices } from '../activities/services.ts';
import { createTrainingActivities } from '../activities/training/index.ts';

export function gpuActivities(services: ActivityServices): object {
  return { ...createTrainingActivities(services) };
}
