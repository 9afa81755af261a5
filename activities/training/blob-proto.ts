/** Caffe's BlobProto, the file of a mean picture or of the weights of a loss. Field numbers from BVLC's caffe.proto. */
import protobuf from 'protobufjs';

const { BlobProto } = protobuf.parse(
  `syntax = "proto2";
  message BlobProto {
    optional int32 num = 1;
    optional int32 channels = 2;
    optional int32 height = 3;
    optional int32 width = 4;
    repeated float data = 5 [packed = true];
  }`,
  { keepCase: true },
).root.nested as { BlobProto: protobuf.Type };

/** Numbers as rows of `num` × `channels` × `height` × `width`, width fastest. */
export interface Blob {
  num: number;
  channels: number;
  height: number;
  width: number;
  data: number[];
}

/** @throws when the bytes are no BlobProto, or its data does not fill its shape */
export function decodeBlob(bytes: Uint8Array): Blob {
  const { num, channels, height, width, data } = BlobProto.toObject(BlobProto.decode(bytes), {
    arrays: true,
    defaults: true,
  }) as Blob;
  const expected = num * channels * height * width;
  if (data.length !== expected)
    throw new Error(`Expected ${num}×${channels}×${height}×${width} numbers in a blob, got ${data.length}`);
  return { num, channels, height, width, data };
}

export function encodeBlob(blob: Blob): Uint8Array {
  return BlobProto.encode(BlobProto.fromObject({ ...blob })).finish();
}

/**
 * The mean of several means, each weighted by the records it was made of: exactly the mean over all records, up to the rounding
 * of its own figures to 32 bits.
 * @throws when their shapes differ
 */
export function averageBlobs(parts: readonly { blob: Blob; weight: number }[]): Blob {
  const [first] = parts;
  if (first === undefined) throw new TypeError('Expected at least one mean picture, got none');
  const sum = new Float64Array(first.blob.data.length);
  let total = 0;
  for (const { blob, weight } of parts) {
    if (shape(blob) !== shape(first.blob))
      throw new Error(`Expected mean pictures of one shape, got ${shape(first.blob)} and ${shape(blob)}`);
    for (let i = 0; i < sum.length; i++) sum[i]! += blob.data[i]! * weight;
    total += weight;
  }
  return { ...first.blob, data: Array.from(sum, value => value / total) };
}

function shape({ num, channels, height, width }: Blob): string {
  return [num, channels, height, width].join('×');
}
