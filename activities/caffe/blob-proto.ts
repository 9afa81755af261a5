/** Reads and writes Caffe's BlobProto, the file of a mean image or of the weights of a loss. Field numbers are from BVLC's caffe.proto. */
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

/** Decodes a BlobProto. @throws if the bytes are no BlobProto, or its data does not fill its shape */
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
