import { describe, expect, test } from 'vitest';
import { decodeBlob, encodeBlob } from '../../activities/caffe/blob-proto.ts';
import { classWeights, decayed } from '../../activities/training/inputs.ts';
import { infogainMatrix } from '../../activities/training/workspace.ts';

test('a matrix of weights as Caffe reads it', () => {
  const bytes = encodeBlob(infogainMatrix([0.5, 2]));
  expect(Buffer.from(bytes).toString('hex')).toBe(`0801100118022002${'2a10'}0000003f000000000000000000000040`);
  expect(decodeBlob(bytes)).toEqual({ num: 1, channels: 1, height: 2, width: 2, data: [0.5, 0, 0, 2] });
});

describe('weights of classes', () => {
  test('give both classes half of the loss, and every record one on average', () => {
    const stages = [0, 0, 0, 0, 0, 0, 1, 2];
    const [negative, positive] = classWeights(stages, 0);
    expect(6 * negative).toBeCloseTo(2 * positive);
    expect((6 * negative + 2 * positive) / 8).toBeCloseTo(1);
  });

  test('go to one by the same share each epoch, the mean over all records staying one', () => {
    const first = classWeights([0, 0, 0, 0, 0, 0, 1, 2], 0);
    expect(decayed(first, 0.5, 1)).toEqual(first);
    const [negative, positive] = decayed(first, 0.5, 3);
    expect(positive - 1).toBeCloseTo((first[1] - 1) / 4);
    expect((6 * negative + 2 * positive) / 8).toBeCloseTo(1);
    expect(decayed(first, 0, 2)).toEqual([1, 1]);
  });

  test('are one for a class that never occurs', () => expect(classWeights([0, 1], 3)[1]).toBe(1));
});
