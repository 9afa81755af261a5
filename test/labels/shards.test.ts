import fc from 'fast-check';
import { expect, test } from 'vitest';
import { coalesce, type PicturePlace } from '../../activities/images/read-shards.ts';

const KIB = 1024;
const place = (tar: string, offset: number, size: number): PicturePlace => ({
  file: `${tar}-${offset}`,
  tar,
  offset,
  size,
});

test('pictures side by side are one read, those far apart or in another shard are not', () => {
  const places = [
    place('b', 0, 100),
    place('a', 300 * KIB, 100),
    place('a', 512, 100),
    place('a', 2048, 100),
    place('a', 900 * KIB, 100),
  ];
  expect(coalesce(places).map(read => read.map(({ file }) => file))).toEqual([
    ['a-512', 'a-2048'],
    ['a-307200'],
    ['a-921600'],
    ['b-0'],
  ]);
});

test('no read is larger than 8 MiB, and none leaves a picture out', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 3 << 20 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(sizes, lengths => {
      let offset = 0;
      const places = lengths.map(size => {
        const one = place('a', offset, size);
        offset += size;
        return one;
      });
      const reads = coalesce(places);
      expect(reads.flat()).toEqual(places);
      for (const read of reads) {
        const last = read.at(-1)!;
        expect(last.offset + last.size - read[0]!.offset).toBeLessThanOrEqual(8 << 20);
      }
    }),
  );
});
