/**
 * Measures, for every queue, what waits in it and who asks for it: work that nobody does is seen only from outside the workers that
 * should do it. A workflow worker tells it, as it stays when the others may be gone.
 */
import type { NativeConnection } from '@temporalio/worker';
import { Runtime } from '@temporalio/worker';
import type { Logger } from 'pino';
import { measureQueue } from '../activities/measures.ts';
import { DOWNLOAD_TASK_QUEUE, GPU_TASK_QUEUE, TASK_QUEUE } from '../workflows/names.ts';

const EVERY_MS = 30_000;
/** A worker that has just started does not poll yet, and would say that nobody does. */
const FIRST_MS = 5_000;
/** Of a poll that has ended: longer than one lasts, shorter than the server remembers who asked. */
const POLLED_WITHIN_MS = 90_000;
/** `TASK_QUEUE_TYPE_WORKFLOW`, `TASK_QUEUE_TYPE_ACTIVITY` */
const KINDS = { workflow: 1, activity: 2 } as const;
const QUEUES = [
  [TASK_QUEUE, 'workflow'],
  [TASK_QUEUE, 'activity'],
  [DOWNLOAD_TASK_QUEUE, 'activity'],
  [GPU_TASK_QUEUE, 'activity'],
] as const;

/** Never rejects. @returns how to stop */
export function measureBacklog(
  { workflowService }: Pick<NativeConnection, 'workflowService'>,
  namespace: string,
  log: Logger,
): () => void {
  const meter = Runtime.instance().metricMeter;
  let silent = false;
  const look = async () => {
    try {
      for (const [name, kind] of QUEUES) {
        const { stats, pollers } = await workflowService.describeTaskQueue({
          ...{ namespace, taskQueue: { name }, taskQueueType: KINDS[kind], reportStats: true },
        });
        const since = Date.now() - POLLED_WITHIN_MS;
        const polling = (pollers ?? []).filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds) * 1000 > since);
        measureQueue(meter, { queue: name, kind }, Number(stats?.approximateBacklogCount ?? 0), polling.length);
      }
      silent = false;
    } catch (error) {
      if (!silent) log.warn({ error: String(error) }, 'The queues cannot be measured');
      silent = true;
    }
  };
  let timer = setTimeout(function again() {
    void look();
    timer = setTimeout(again, EVERY_MS);
  }, FIRST_MS);
  return () => clearTimeout(timer);
}
