/** Activities of the queue `retinopathy`: everything that needs cores, disk and network. */
import { createDownloadActivities } from '../activities/download/index.ts';
import { createImageActivities } from '../activities/images/index.ts';
import { createLabelActivities } from '../activities/labels/index.ts';
import { createRegressionActivities } from '../activities/regression/index.ts';
import { createRunActivities } from '../activities/run/index.ts';
import type { ActivityServices } from '../activities/services.ts';

export function cpuActivities(services: ActivityServices): object {
  return {
    ...createRunActivities(services),
    ...createDownloadActivities(services),
    ...createImageActivities(services),
    ...createLabelActivities(services),
    ...createRegressionActivities(services),
  };
}
