/** What a worker measures of its own work. It comes out where the SDK's measures do, in the form of Prometheus. */
import { Context } from '@temporalio/activity';
import type { MetricMeter } from '@temporalio/common';
import { whoseActivity } from './whose.ts';

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

/** Names of all measures, as Prometheus knows them. */
export const MEASURES: readonly string[] = [...Object.values(COUNTERS), ...Object.values(GAUGES), RUNNING].map(
  ([name]) => name,
);

/** Adds to a counter of the running activity, a whole number of 0 or more. */
export function count(counter: keyof typeof COUNTERS, value: number): void {
  const [name, description] = COUNTERS[counter];
  // A counter that is 0 is there all the same: what never happened can be told from what nobody measures.
  own().createCounter(name, undefined, description).add(Math.round(value));
}

/** Sets a gauge of the running activity. */
export function gauge(which: 'loss' | 'auc', value: number, labels: Labels = {}): void {
  const [name, description] = GAUGES[which];
  own().createGauge(name, 'float', undefined, description).set(value, labels);
}

/** The running activity has got on. */
export function progressed(): void {
  const [name, description] = GAUGES.progressAt;
  own()
    .createGauge(name, 'int', undefined, description)
    .set(Math.floor(Date.now() / 1000));
}

/** One activity more, or less, runs. */
export function countRunning(change: 1 | -1): void {
  const [name, description] = RUNNING;
  own().createUpDownCounter?.(name, undefined, description).add(change);
}

/** @param meter of the process */
export function measureRoom(meter: MetricMeter, place: 'store' | 'scratch', bytes: number): void {
  const [name, description] = GAUGES.freeBytes;
  meter.createGauge(name, 'int', undefined, description).set(bytes, { place });
}

/** @param meter of the process */
export function measureQueue(
  meter: MetricMeter,
  labels: { queue: string; kind: 'workflow' | 'activity' },
  waiting: number,
  pollers: number,
): void {
  meter.createGauge(GAUGES.waiting[0], 'int', undefined, GAUGES.waiting[1]).set(waiting, labels);
  meter.createGauge(GAUGES.pollers[0], 'int', undefined, GAUGES.pollers[1]).set(pollers, labels);
}

/** Counts what a total has grown by, in steps: it may be told of far more often than anybody looks. */
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
