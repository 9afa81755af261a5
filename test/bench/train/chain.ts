/** The same training by the pipeline: its workflow on a real Temporal server, its gpu worker, a segment an epoch. */
import type { WorkflowHandle } from '@temporalio/client';
import { descendants } from '../../../cli/chaos/kills.ts';
import type { Embedded } from '../../../cli/local/local-cluster.ts';
import type { PipelineInput } from '../../../config/input.ts';
import { getJson } from '../../../storage/documents.ts';
import type { Manifest } from '../../../storage/manifest.ts';
import type { ArtifactStore } from '../../../storage/store.ts';
import { TASK_QUEUE, trainingName } from '../../../workflows/ids.ts';
import { cpuUsed } from './cpu-seconds.ts';
import { abortion } from './data.ts';

/** Seconds of one segment, from the word to begin it to the word that it is done. */
export interface TimedSegment {
  all: number;
  /** Until a worker had it. */
  waiting: number;
  /** What the worker has noted in the segment's manifest. */
  reading: number;
  placing: number;
  caffe: number;
  verifying: number;
  storing: number;
}

export interface ChainRun {
  segments: TimedSegment[];
  /** From the first segment's beginning to the last one's end, without the judging of epochs. */
  seconds: number;
  /** Judging an epoch, seconds each. */
  judging: number[];
  /** CPU of the worker itself, Caffe not counted: log, heartbeats, checksums, files. */
  workerCpu: number;
}

interface Span {
  activity: string;
  scheduled: number;
  started: number;
  ended: number;
  key: string;
}

export async function trainChain(
  { client, broken }: Embedded,
  store: ArtifactStore,
  training: { run: string; heads: number[]; label: string; input: PipelineInput },
  signal: AbortSignal,
): Promise<ChainRun> {
  const { run, heads, label, input } = training;
  const worker = (await descendants()).find(({ command }) => command.includes('worker\0gpu'));
  if (!worker) throw new Error('Expected a gpu worker to run, got none');
  const before = await cpuUsed(worker.pid);
  const handle = await client.workflow.start('trainNetwork', {
    taskQueue: TASK_QUEUE,
    workflowId: `${run}/${trainingName(heads)}`,
    args: [{ run, heads, input, upstream: { label: label.split('/').at(-1)! } }],
  });
  await Promise.race([handle.result(), broken, abortion(signal)]);
  const workerCpu = (await cpuUsed(worker.pid)).own - before.own;
  const spans = spansOf(await handle.fetchHistory());
  const trained = spans.filter(({ activity }) => activity === 'trainSegment');
  const judged = spans.filter(({ activity }) => activity === 'evaluateSnapshot');
  const [first, last] = [trained[0]!, trained.at(-1)!];
  const judging = judged.map(({ scheduled, ended }) => ended - scheduled);
  const between = judged.filter(({ ended }) => ended <= last.scheduled);
  return {
    segments: await Promise.all(trained.map(span => timed(store, span))),
    seconds: last.ended - first.scheduled - between.reduce((sum, { scheduled, ended }) => sum + ended - scheduled, 0),
    judging,
    workerCpu,
  };
}

async function timed(store: ArtifactStore, { scheduled, started, ended, key }: Span): Promise<TimedSegment> {
  const { counts } = (await getJson<Manifest>(store, `stages/segment/${key}/manifest.json`))!;
  const lap = (name: string) => counts[`${name}Seconds`]!;
  return {
    all: ended - scheduled,
    waiting: started - scheduled,
    reading: lap('reading'),
    placing: lap('placing'),
    caffe: lap('caffe'),
    verifying: lap('verifying'),
    storing: lap('storing'),
  };
}

type History = Awaited<ReturnType<WorkflowHandle['fetchHistory']>>;
type Time = NonNullable<NonNullable<History['events']>[number]['eventTime']>;

/** The activities of a history, in the order they were scheduled. */
function spansOf({ events }: History): Span[] {
  const spans = new Map<string, Span>();
  for (const event of events ?? []) {
    const at = secondsOf(event.eventTime!);
    const begun = event.activityTaskScheduledEventAttributes;
    if (begun) {
      const activity = begun.activityType!.name!;
      spans.set(String(event.eventId), { activity, scheduled: at, started: at, ended: at, key: '' });
    }
    const taken = event.activityTaskStartedEventAttributes;
    if (taken) spans.get(String(taken.scheduledEventId))!.started = at;
    const done = event.activityTaskCompletedEventAttributes;
    if (done) {
      const span = spans.get(String(done.scheduledEventId))!;
      span.ended = at;
      const data = done.result?.payloads?.[0]?.data;
      span.key = data ? ((JSON.parse(Buffer.from(data).toString()) as { key?: string } | null)?.key ?? '') : '';
    }
  }
  return [...spans.values()];
}

const secondsOf = ({ seconds, nanos }: Time) => Number(seconds) + (nanos ?? 0) / 1e9;
