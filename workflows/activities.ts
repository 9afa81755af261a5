/** Activity proxies for workflows: one set of options for each kind of work. */
import {
  ActivityFailure,
  type ActivityInterfaceFor,
  type ActivityOptions,
  ApplicationFailure,
  proxyActivities,
  TimeoutFailure,
} from '@temporalio/workflow';
import type { DownloadActivities, EyeActivities } from '../activities/download/types.ts';
import type { ImageActivities } from '../activities/images/types.ts';
import type { LabelActivities } from '../activities/labels/types.ts';
import type { RegressionActivities } from '../activities/regression/types.ts';
import type { ReportActivities } from '../activities/report/types.ts';
import type { RunActivities } from '../activities/run/types.ts';
import type { ScoringActivities } from '../activities/scoring/types.ts';
import type { TrainingActivities } from '../activities/training/types.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE } from './ids.ts';

/**
 * Transient failures are retried without limit, as every lost machine counts as an attempt. The activities mark final failures.
 * Intervals are short, so that the successor of a Spot machine resumes at once.
 */
const retry: ActivityOptions['retry'] = { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' };

/** Start-to-close timeouts that an activity may have. A lost machine misses its heartbeats instead, and is retried without limit. */
const MAX_TIMEOUTS = 10;

/** Holds four heartbeats, so that a busy machine is not taken for a dead one. */
const heartbeatTimeout = '20s';

/** Short activities send heartbeats too. Without them, a server or worker killed at that moment blocks the run until the timeout. */
const short: ActivityOptions = { startToCloseTimeout: '2 minutes', heartbeatTimeout, retry };
const long: ActivityOptions = { startToCloseTimeout: '6 hours', heartbeatTimeout, retry };

export const runActivities = bounded<RunActivities>(short);
export const eyeActivities = bounded<EyeActivities>(long);
export const downloadActivities = bounded<DownloadActivities>({ ...long, taskQueue: DOWNLOAD_TASK_QUEUE });
export const imageActivities = bounded<ImageActivities>(long);
export const labelActivities = bounded<LabelActivities>(long);
export const regressionActivities = bounded<RegressionActivities>(long);
export const reportActivities = bounded<Pick<ReportActivities, 'writeReport'>>(long);
/** The run does not wait for pages: a page that gets no worker slot in time is skipped. */
export const pageActivities = proxyActivities<Pick<ReportActivities, 'writeProgressPage'>>({
  startToCloseTimeout: '1 minute',
  heartbeatTimeout,
  scheduleToCloseTimeout: '2 minutes',
  retry: { maximumAttempts: 3 },
  priority: { priorityKey: 1 },
});
export const scoringActivities = bounded<ScoringActivities>(long);
/** No schedule-to-start timeout: hours of waiting for a GPU are normal. */
const training: ActivityOptions = { ...long, startToCloseTimeout: '3 days', taskQueue: GPU_TASK_QUEUE };
export const trainingActivities = bounded<TrainingActivities>(training);
/**
 * Planning needs what only the workers of this queue have: Caffe, a GPU to try the network on, the files of network and weights.
 * It takes seconds and reports errors before hours are spent. So it precedes the segments where the server supports priorities.
 */
export const planActivities = bounded<Pick<TrainingActivities, 'planTraining' | 'locateSegment'>>({
  ...training,
  priority: { priorityKey: 1 },
});

type Call = (...args: unknown[]) => Promise<unknown>;

/**
 * Returns proxies whose start-to-close timeouts are counted.
 * @throws ApplicationFailure, final, when an activity has timed out `MAX_TIMEOUTS` times
 */
export function bounded<Activities>(options: ActivityOptions): ActivityInterfaceFor<Activities> {
  const activities = proxyActivities<Record<string, Call>>({
    ...options,
    // The server's name of the timeout. The server does not retry it, so that it is counted here.
    retry: { ...options.retry, nonRetryableErrorTypes: ['TemporalTimeout:StartToClose'] },
  });
  const call = async (name: string, work: () => Promise<unknown>) => {
    for (let times = 1; ; times++) {
      try {
        return await work();
      } catch (error) {
        const cause = error instanceof ActivityFailure ? error.cause : undefined;
        if (!(cause instanceof TimeoutFailure) || cause.timeoutType !== 'START_TO_CLOSE') throw error;
        if (times < MAX_TIMEOUTS) continue;
        throw ApplicationFailure.nonRetryable(
          `Expected ${name} to end within ${options.startToCloseTimeout}, got no end in ${times} tries: look at the store, and at what else its worker's machine does`,
          'GaveUp',
        );
      }
    }
  };
  const get = (_: object, name: string) => {
    const activity = activities[name]!;
    const executeWithOptions = (own: ActivityOptions, args: unknown[]) =>
      call(name, () => activity.executeWithOptions(own, args));
    return Object.assign((...args: unknown[]) => call(name, () => activity(...args)), { executeWithOptions });
  };
  return new Proxy({}, { get }) as ActivityInterfaceFor<Activities>;
}
