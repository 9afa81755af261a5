/** Heartbeats and last failures of a run's pending activities, which workflow code cannot see. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type { DownloadProgress } from '../../activities/download/types.ts';
import type { ShardProgress } from '../../activities/images/types.ts';
import type { SegmentProgress } from '../../activities/training/types.ts';
import { childIds } from '../local/pipeline-client.ts';
import { type FailingTask, failingTask } from '../local/workflow-task.ts';

export interface Trouble {
  activity: string;
  attempt: number;
  /** First line of the last failure. */
  message: string;
}

export interface Live {
  parts: DownloadProgress[];
  shards: ShardProgress[];
  segments: SegmentProgress[];
  /** Failing activities and workflow tasks that are retried. Failures caused by the shutdown of a worker are not included. */
  troubles: Trouble[];
  /** Id of a workflow of the run whose history does not fit the code of the workers. */
  stuck?: string;
}

/** Timeout of a call to the server. */
export const CALL_MS = 3_000;

type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;

/** Reads the pending activities of the run and its children from the server. */
export async function readLive(client: Client, run: string): Promise<Live> {
  const ask = () => Promise.all([run, ...childIds(run)].map(id => look(client, id)));
  const looked = await client.withDeadline(Date.now() + CALL_MS, ask);
  const pending = looked.flatMap(({ activities }) => activities);
  const failing = looked.flatMap(({ failing }) => failing ?? []);
  const stuck = failing.find(({ nonDeterministic }) => nonDeterministic)?.workflow;
  const details = (type: string) =>
    pending
      .filter(activity => activity.activityType?.name === type)
      .map(lastDetails)
      .filter(value => value !== undefined);
  return {
    parts: details('downloadPart') as DownloadProgress[],
    shards: details('unzipAndAugment') as ShardProgress[],
    segments: details('trainSegment') as SegmentProgress[],
    troubles: [
      ...failing.map(({ workflow, attempt, message }) => ({ activity: `workflow ${workflow}`, attempt, message })),
      ...pending.filter(isTrouble).map(activity => ({
        activity: activity.activityType?.name ?? '',
        attempt: activity.attempt ?? 1,
        message: (activity.lastFailure?.message ?? '').split('\n')[0] ?? '',
      })),
    ],
    ...(stuck !== undefined && { stuck }),
  };
}

async function look(
  client: Client,
  id: string,
): Promise<{ activities: PendingActivity[]; failing?: FailingTask | undefined }> {
  try {
    const described = await client.workflow.getHandle(id).describe();
    if (described.status.name !== 'RUNNING') return { activities: [] };
    const activities = described.raw.pendingActivities ?? [];
    return { activities, failing: await failingTask(client, described) };
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { activities: [] };
    throw error;
  }
}

function lastDetails(activity: PendingActivity): unknown {
  const payload = activity.heartbeatDetails?.payloads?.[0];
  if (!payload) return undefined;
  const details = defaultPayloadConverter.fromPayload<Record<string, unknown>>(payload);
  return details && typeof details === 'object' && Object.keys(details).length > 0 ? details : undefined;
}

function isTrouble({ lastFailure }: PendingActivity): boolean {
  const type = lastFailure?.applicationFailureInfo?.type;
  return Boolean(lastFailure?.applicationFailureInfo) && type !== 'WorkerShutdown';
}
