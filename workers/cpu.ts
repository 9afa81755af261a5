/** Activities of a cpu worker: those that take cores (queue `retinopathy`), and the transfers (queue `retinopathy-download`). */
import { createDownloadActivities, createEyeActivities } from '../activities/download/index.ts';
import { withHeartbeats } from '../activities/heartbeat.ts';
import { createImageActivities } from '../activities/images/index.ts';
import { createLabelActivities } from '../activities/labels/index.ts';
import { createProgressPageActivities } from '../activities/progress-page/index.ts';
import { createRegressionActivities } from '../activities/regression/index.ts';
import { createRunActivities } from '../activities/run/index.ts';
import { createScoringActivities } from '../activities/scoring/index.ts';
import type { ActivityServices } from '../activities/services.ts';

export function cpuActivities(services: ActivityServices): object {
  return {
    ...withHeartbeats(createRunActivities(services)),
    ...createEyeActivities(services),
    ...createImageActivities(services),
    ...createLabelActivities(services),
    ...createRegressionActivities(services),
    ...createScoringActivities(services),
    ...withHeartbeats(createProgressPageActivities(services)),
  };
}

export function transferActivities(services: ActivityServices): object {
  return { ...createDownloadActivities(services) };
}
