/**
 * TensorBoard's event files: TFRecords of protobuf messages. Formats from TensorFlow's `lib/io/record_writer.h`, `event.proto` and
 * `summary.proto`, as far as scalars need them.
 */
import protobuf from 'protobufjs';
import { crc32c } from '../../storage/checksum.ts';

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

/** TensorBoard reads nothing whose first event does not say so. */
const VERSION = 'brain.Event:2';

/** Figures of one iteration by their tags; TensorBoard makes a group of the tags that begin with the same word before `/`. */
export interface Scalars {
  step: number;
  /** Milliseconds since the epoch. */
  time: number;
  values: Readonly<Record<string, number>>;
}

/** A whole event file: NaN and infinities are figures as any. */
export function encodeEvents(events: readonly Scalars[]): Buffer {
  const first = { wall_time: (events[0]?.time ?? 0) / 1000, file_version: VERSION };
  const others = events.map(({ step, time, values }) => ({
    wall_time: time / 1000,
    step,
    summary: { value: Object.entries(values).map(([tag, simple_value]) => ({ tag, simple_value })) },
  }));
  return Buffer.concat([first, ...others].map(event => record(Event.encode(event).finish())));
}

/** Length, its checksum, the data, their checksum. */
function record(data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(8 + 4 + data.length + 4);
  bytes.writeBigUInt64LE(BigInt(data.length), 0);
  bytes.writeUInt32LE(masked(bytes.subarray(0, 8)), 8);
  bytes.set(data, 12);
  bytes.writeUInt32LE(masked(data), 12 + data.length);
  return bytes;
}

/** A checksum over bytes that hold checksums of the same kind is a bad one: TFRecords turn theirs and add to it. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
