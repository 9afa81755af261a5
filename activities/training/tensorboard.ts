/**
 * Writes a training's TensorBoard folder into the store, which grows during the training. An object cannot grow, so each segment
 * and each evaluation has its own event file. File names sort in training order, in which TensorBoard reads them. The files are
 * TFRecords of protobuf messages, after TensorFlow's `lib/io/record_writer.h`, `event.proto` and `summary.proto`, for scalars only.
 */
import { ApplicationFailure } from '@temporalio/activity';
import protobuf from 'protobufjs';
import { crc32c } from '../../storage/checksum.ts';
import { runFolder } from '../../storage/key-syntax.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { figuresOf } from './curves.ts';
import { readSegment } from './segment-manifest.ts';
import { readCurve } from './snapshot.ts';
import type { EvaluatedSnapshot, SegmentResult, TrainingArgs } from './types.ts';

type Place = Pick<TrainingArgs, 'run' | 'name'>;

/** Returns `runs/<run>/tensorboard/<training>`, without a trailing slash. */
export function eventFolder({ run, name }: Place): string {
  return `${runFolder(run)}/tensorboard/${name}`;
}

/** Stores `training/loss`, `training/rate` and the net's other outputs of a finished segment. */
export async function storeSegmentEvents(store: ArtifactStore, place: Place, result: SegmentResult): Promise<void> {
  // A corrupt curve is skipped; its segment is trained again before its metrics count.
  const points = await readCurve({ store }, result.key).then(
    curve => curve.points,
    error => {
      if (error instanceof ApplicationFailure) return undefined;
      throw error;
    },
  );
  if (!points) return;
  const scalars = points.map(
    ({ iteration, time, values }): Scalars => ({
      step: iteration,
      time,
      values: Object.fromEntries(Object.entries(values).map(([metric, value]) => [`training/${metric}`, value])),
    }),
  );
  await write(store, `${eventFolder(place)}/${fileName(result, 'segment')}`, scalars);
}

/** Stores `validation/auc`, `validation/accuracy`, `validation/loss` and `training/auc`; four heads have suffixes: `validation/auc-0` … */
export async function storeJudgementEvents(
  store: ArtifactStore,
  { heads, ...place }: Place & Pick<TrainingArgs, 'heads'>,
  evaluation: EvaluatedSnapshot,
): Promise<void> {
  const judged = await readSegment(store, evaluation.snapshot);
  if (!judged) return;
  const values: Record<string, number> = {};
  for (const [i, k] of heads.entries())
    for (const [metric, value] of figuresOf(evaluation, i))
      values[`${metric.replace(' ', '/')}${heads.length === 1 ? '' : `-${k}`}`] = value;
  const scalars = [{ step: judged.result.iteration, time: Date.parse(evaluation.at), values }];
  await write(store, `${eventFolder(place)}/${fileName(judged.result, 'validation')}`, scalars);
}

/**
 * Replaces the folder's content by the segments that are cached when a training starts, including those of other runs. Other
 * files are removed, because an earlier execution may have had other input.
 * @param judgementOf returns the evaluation of a segment's snapshot; undefined if there is none
 */
export async function renewEvents(
  store: ArtifactStore,
  args: TrainingArgs,
  done: readonly SegmentResult[],
  judgementOf: (key: string) => Promise<EvaluatedSnapshot | undefined>,
): Promise<void> {
  for await (const { key } of store.list(`${eventFolder(args)}/`)) await store.remove(key);
  for (const result of done) {
    await storeSegmentEvents(store, args, result);
    const judgement = await judgementOf(result.key);
    if (judgement) await storeJudgementEvents(store, args, judgement);
  }
}

/** Returns a file name with ten digits in place of the usual seconds. TensorBoard recognizes event files by the part before them. */
function fileName({ segment, key }: Pick<SegmentResult, 'segment' | 'key'>, what: 'segment' | 'validation'): string {
  return `events.out.tfevents.${String(segment).padStart(10, '0')}.${what}-${key}`;
}

async function write(store: ArtifactStore, key: string, scalars: readonly Scalars[]): Promise<void> {
  await store.put(key, encodeEvents(scalars), { overwrite: true });
}

const { Event } = protobuf.parse(
  `syntax = "proto3";
  message Event {
    double wall_time = 1;
    int64 step = 2;
    oneof what {
      string file_version = 3;
      Summary summary = 5;
    }
  }
  message Summary {
    message Value {
      string tag = 1;
      oneof value {
        float simple_value = 2;
      }
    }
    repeated Value value = 1;
  }`,
  { keepCase: true },
).root.nested as { Event: protobuf.Type };

/** TensorBoard ignores files whose first event does not state this version. */
const VERSION = 'brain.Event:2';

/** Values of one iteration by tag. TensorBoard groups tags by the word before `/`. */
export interface Scalars {
  step: number;
  /** Milliseconds since the epoch. */
  time: number;
  values: Readonly<Record<string, number>>;
}

/** Encodes a complete event file. NaN and infinities are valid values. */
export function encodeEvents(events: readonly Scalars[]): Buffer {
  const first = { wall_time: (events[0]?.time ?? 0) / 1000, file_version: VERSION };
  const others = events.map(({ step, time, values }) => ({
    wall_time: time / 1000,
    step,
    summary: { value: Object.entries(values).map(([tag, simple_value]) => ({ tag, simple_value })) },
  }));
  return Buffer.concat([first, ...others].map(event => record(Event.encode(event).finish())));
}

/** Encodes a TFRecord: length, its checksum, the data, their checksum. */
function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + 4 + data.length + 4);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(masked(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(masked(data), 12 + data.length);
  return bytes;
}

/** Masks a checksum as TFRecords do, by rotation and addition: a CRC is weak over bytes that contain CRCs. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
