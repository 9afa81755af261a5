/** Metrics of a worker's own work, labeled by run and split. They are exported beside the SDK's metrics, in the Prometheus format. */
import { Context } from '@temporalio/activity';
import type { MetricMeter } from '@temporalio/common';

type Labels = Record<string, string | number>;

const COUNTERS = {
  fetchedBytes: ['retinopathy_fetched_bytes_total', 'Bytes of the archive that have come over the network'],
  preparedPictures: ['retinopathy_prepared_pictures_total', 'Pictures whose versions are stored'],
  quarantinedPictures: ['retinopathy_quarantined_pictures_total', 'Pictures that were set aside'],
  trainedIterations: ['retinopathy_trained_iterations_total', 'Iterations of Caffe, with those that came to nothing'],
  lostIterations: ['retinopathy_lost_iterations_total', 'Iterations that had to be done again'],
  lostSeconds: ['retinopathy_lost_seconds_total', 'Seconds of training that had to be done again'],
  retries: ['retinopathy_activity_retries_total', 'Attempts at activities that are not the first'],
} as const;

const GAUGES = {
  loss: ['retinopathy_training_loss', 'Loss that Caffe has displayed last'],
  auc: ['retinopathy_validation_auc', 'Area under the ROC curve on the validation fold, of the last epoch judged'],
  progressAt: [
    'retinopathy_last_progress_timestamp_seconds',
    'When an activity last began for the first time, got on, or ended well',
  ],
  freeBytes: ['retinopathy_free_bytes', 'Bytes that can still be written, in the store and among the temporary files'],
  waiting: ['retinopathy_waiting_tasks', 'Tasks that wait in a queue'],
  pollers: ['retinopathy_queue_pollers', 'Workers that have asked a queue for tasks of late'],
} as const;

const RUNNING = ['retinopathy_running_activities', 'Activities that run'] as const;

/** Names of all metrics in Prometheus. */
export const MEASURES: readonly string[] = [...Object.values(COUNTERS), ...Object.values(GAUGES), RUNNING].map(
  ([name]) => name,
);

/** Adds a whole number of 0 or more to a counter of the running activity. */
export function count(counter: keyof typeof COUNTERS, value: number): void {
  const [name, description] = COUNTERS[counter];
  // Creates a counter of 0 as well: an event that never happened differs from one that is not measured.
  own().createCounter(name, undefined, description).add(Math.round(value));
}

/** Sets a gauge of the running activity. */
export function gauge(which: 'loss' | 'auc', value: number, labels: Labels = {}): void {
  set(own(), which, 'float', value, labels);
}

/** Records that the running activity has made progress. */
export function progressed(): void {
  set(own(), 'progressAt', 'int', Math.floor(Date.now() / 1000));
}

/** Adds 1 to the number of running activities, or subtracts 1. */
export function countRunning(change: 1 | -1): void {
  const [name, description] = RUNNING;
  own().createUpDownCounter?.(name, undefined, description).add(change);
}

/** Sets the gauge of free space. @param meter of the process */
export function measureRoom(meter: MetricMeter, place: 'store' | 'scratch', bytes: number): void {
  set(meter, 'freeBytes', 'int', bytes, { place });
}

/** Sets the gauges of a queue's backlog and pollers. @param meter of the process */
export function measureQueue(
  meter: MetricMeter,
  labels: { queue: string; kind: 'workflow' | 'activity' },
  waiting: number,
  pollers: number,
): void {
  set(meter, 'waiting', 'int', waiting, labels);
  set(meter, 'pollers', 'int', pollers, labels);
}

function set(meter: MetricMeter, which: keyof typeof GAUGES, type: 'int' | 'float', value: number, labels?: Labels) {
  const [name, description] = GAUGES[which];
  meter.createGauge(name, type, undefined, description).set(value, labels);
}

/** Counts the growth of a total in steps: totals may be reported far more often than they are read. */
export function tally(counter: keyof typeof COUNTERS, step: number): { at(total: number): void; end(): void } {
  let [counted, latest] = [0, 0];
  const end = () => {
    count(counter, latest - counted);
    counted = latest;
  };
  return {
    at(total) {
      latest = total;
      if (latest - counted >= step) end();
    },
    end,
  };
}

function own(): MetricMeter {
  const context = Context.current();
  return context.metricMeter.withTags({ ...whoseActivity(context) });
}

export interface Whose {
  /** Id of the run: the workflow ID of the pipeline, or of a stage that was started on its own. */
  run: string;
  /** `01-vs-234` or `four-heads`; in training only. */
  split?: string;
}

const TRAINING = /^train-(\d+-vs-\d+|four-heads)$/;
const known = new WeakMap<Context, Whose>();

/** Derives the run and split from the workflow IDs that the pipeline gives its stages: `<run>/download`, `<run>/train-01-vs-234`. */
export function whoseWorkflow(type: string, id: string): Whose {
  const slash = id.lastIndexOf('/');
  if (type === 'retinopathyPipeline' || slash === -1) return { run: id };
  const split = TRAINING.exec(id.slice(slash + 1))?.[1];
  return { run: id.slice(0, slash), ...(split !== undefined && { split }) };
}

/** Stores the run and split of the context's activity. Its arguments name them even where a stage has a workflow ID of another form. */
export function noteWhose(context: Context, [args]: readonly unknown[]): void {
  const { run, name } = Object(args) as { run?: unknown; name?: unknown };
  const whose = byId(context);
  if (typeof run === 'string') whose.run = run;
  const split = typeof name === 'string' ? TRAINING.exec(name)?.[1] : undefined;
  if (split !== undefined) whose.split = split;
  known.set(context, whose);
}

export function whoseActivity(context: Context): Whose {
  return known.get(context) ?? byId(context);
}

function byId({ info }: Context): Whose {
  return whoseWorkflow(info.workflowType ?? '', info.workflowExecution?.workflowId ?? info.activityId);
}
