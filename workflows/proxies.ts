/** The activities as workflows call them: one set of options for each kind of work. */
import { type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { DownloadActivities, EyeActivities } from '../activities/download/types.ts';
import type { ImageActivities } from '../activities/images/types.ts';
import type { LabelActivities } from '../activities/labels/types.ts';
import type { ProgressPageActivities } from '../activities/progress-page/types.ts';
import type { RegressionActivities } from '../activities/regression/types.ts';
import type { RunActivities } from '../activities/run/types.ts';
import type { ScoringActivities } from '../activities/scoring/types.ts';
import type { TrainingActivities } from '../activities/training/types.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE } from './names.ts';

/**
 * What passes by itself is retried without limit, as every lost machine counts as an attempt; the activities say which
 * failures are final. No long pauses: a Spot machine's successor should go on at once.
 */
const retry: ActivityOptions['retry'] = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' };

/** Four heartbeats that are sent fit into the timeout, so that a busy machine is not taken for a dead one. */
const heartbeatTimeout = '20s';

/** What takes a moment beats as well: a server or worker that is killed in that moment would hold the run up for all of the timeout. */
const short: ActivityOptions = { startToCloseTimeout: '2 minutes', heartbeatTimeout, retry };
const long: ActivityOptions = { startToCloseTimeout: '6 hours', heartbeatTimeout, retry };

export const runActivities = proxyActivities<RunActivities>(short);
export const eyeActivities = proxyActivities<EyeActivities>(long);
export const downloadActivities = proxyActivities<DownloadActivities>({ ...long, taskQueue: DOWNLOAD_TASK_QUEUE });
export const imageActivities = proxyActivities<ImageActivities>(long);
export const labelActivities = proxyActivities<LabelActivities>(long);
export const regressionActivities = proxyActivities<RegressionActivities>(long);
/** Nobody waits for it: what does not come to its turn in time is left out. */
export const pageActivities = proxyActivities<ProgressPageActivities>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout,
  scheduleToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
  priority: { priorityKey: 1 },
});
export const scoringActivities = proxyActivities<ScoringActivities>(long);
/** No schedule-to-start timeout: hours of waiting for a graphics card are normal. */
export const trainingActivities = proxyActivities<TrainingActivities>({
  ...long,
  startToCloseTimeout: '3 days',
  taskQueue: GPU_TASK_QUEUE,
});
