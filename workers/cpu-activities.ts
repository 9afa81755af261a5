/** Activities of the queue `retinopathy`: those that need CPU cores. */

import type { ActivityServices } from '../activities/dependencies.ts';
import { createEyeActivities } from '../activities/download/index.ts';
import { withHeartbeats } from '../activities/heartbeat.ts';
import { createImageActivities } from '../activities/images/index.ts';
import { createLabelActivities } from '../activities/labels/index.ts';
import { createRegressionActivities } from '../activities/regression/index.ts';
import { createReportActivities } from '../activities/report/index.ts';
import { createRunActivities } from '../activities/run/index.ts';
import type { RunActivities } from '../activities/run/types.ts';
import { createScoringActivities } from '../activities/scoring/index.ts';

export function cpuActivities(services: ActivityServices): object {
  return {
    ...withHeartbeats<RunActivities>(createRunActivities(services)),
    ...createEyeActivities(services),
    ...createImageActivities(services),
    ...createLabelActivities(services),
    ...createRegressionActivities(services),
    ...createReportActivities(services),
    ...createScoringActivities(services),
  };
}
