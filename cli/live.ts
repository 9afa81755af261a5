/** What the running activities of a run say of themselves: their heartbeats and last failures, which workflow code cannot see. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { DownloadProgress } from '../activities/download/types.ts';
import type { ShardProgress } from '../activities/images/types.ts';
import type { SegmentProgress } from '../activities/training/types.ts';
import { childIds } from './execution.ts';

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
  /** Activities that failed for another reason than a worker going away, and are tried again. */
  troubles: Trouble[];
}

/** No answer in this time is no answer. */
const CALL_MS = 3_000;

type PendingActivity = {
  activityType?: { name?: string | null } | null;
  attempt?: number | null;
  heartbeatDetails?: { payloads?: unknown[] | null } | null;
  lastFailure?: { message?: string | null; applicationFailureInfo?: { type?: string | null } | null } | null;
};

/** Asks the server for the pending activities of the run and its children. */
export async function readLive(client: Client, run: string): Promise<Live> {
  const ask = () => Promise.all([run, ...childIds(run)].map(id => pendingActivities(client, id)));
  const pending = (await client.withDeadline(Date.now() + CALL_MS, ask)).flat();
  const details = (type: string) =>
    pending
      .filter(activity => activity.activityType?.name === type)
      .map(lastDetails)
      .filter(value => value !== undefined);
  return {
    parts: details('downloadPart') as DownloadProgress[],
    shards: details('unzipAndAugment') as ShardProgress[],
    segments: details('trainSegment') as SegmentProgress[],
    troubles: pending.filter(isTrouble).map(activity => ({
      activity: activity.activityType?.name ?? '',
      attempt: activity.attempt ?? 1,
      message: (activity.lastFailure?.message ?? '').split('\n')[0] ?? '',
    })),
  };
}

async function pendingActivities(client: Client, id: string): Promise<PendingActivity[]> {
  try {
    const described = await client.workflow.getHandle(id).describe();
    return described.status.name === 'RUNNING' ? ((described.raw.pendingActivities ?? []) as PendingActivity[]) : [];
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return [];
    throw error;
  }
}

function lastDetails(activity: PendingActivity): unknown {
  const payload = activity.heartbeatDetails?.payloads?.[0];
  if (!payload) return undefined;
  const details = defaultPayloadConverter.fromPayload<Record<string, unknown>>(payload as never);
  return details && typeof details === 'object' && Object.keys(details).length > 0 ? details : undefined;
}

function isTrouble({ lastFailure }: PendingActivity): boolean {
  const type = lastFailure?.applicationFailureInfo?.type;
  return Boolean(lastFailure?.applicationFailureInfo) && type !== 'WorkerShutdown';
}
