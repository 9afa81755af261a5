import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FoldRow } from '../../activities/regression/eyes.ts';
import { findNearDuplicates, type HashedPicture, hashedPictures } from '../../activities/regression/near-duplicates.ts';
import { formatNearDuplicates, parseNearDuplicates } from '../../activities/regression/tables.ts';

const HASH = '0123456789abcdef'.repeat(4);

/** The hash with some of its 256 bits changed. */
function changed(hash: string, bits: readonly number[]): string {
  const mask = bits.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n);
  return (BigInt(`0x${hash}`) ^ mask).toString(16).padStart(64, '0');
}

const picture = (image: string, fold: HashedPicture['folds'][number], hash = HASH): HashedPicture => ({
  ...{ image, patient: image.split('_')[0]!, level: 2, folds: [fold], hash },
});

describe('near-identical pictures', () => {
  test('are the pairs that comparing each with each finds', async () => {
    const one = fc.record({
      patient: fc.integer({ min: 1, max: 6 }),
      fold: fc.constantFrom('train', 'validation', 'test'),
      bits: fc.uniqueArray(fc.integer({ min: 0, max: 255 }), { maxLength: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(one, { maxLength: 20 }), fc.constantFrom(0, 3, 16), async (many, distance) => {
        const pictures = many.map(({ patient, fold, bits }, i) =>
          picture(`${patient}_${i}`, fold, changed(HASH, bits)),
        );
        const expected = pictures.flatMap((b, j) =>
          pictures.slice(0, j).flatMap((a, i) => {
            const [x, y] = [new Set(many[i]!.bits), new Set(many[j]!.bits)];
            const differing = [...x].filter(bit => !y.has(bit)).length + [...y].filter(bit => !x.has(bit)).length;
            const counts = a.patient !== b.patient && a.folds[0] !== b.folds[0] && differing <= distance;
            return counts ? [`${a.image} ${b.image} ${differing}`] : [];
          }),
        );
        const { listed, pairs, trainTest } = await findNearDuplicates(pictures, distance);
        expect(listed.map(({ a, b, distance }) => `${a.image} ${b.image} ${distance}`).sort()).toEqual(expected.sort());
        expect(listed.map(pair => pair.distance)).toEqual(listed.map(pair => pair.distance).sort((a, b) => a - b));
        expect(pairs).toBe(expected.length);
        const leaks = listed.filter(({ a, b }) => `${a.folds}${b.folds}`.replace(/train|test/g, '') === '');
        expect(trainTest).toBe(leaks.length);
      }),
    );
  });

  test('of one patient, or in one fold, are no leak; with records in several folds they are', async () => {
    const find = async (...pictures: HashedPicture[]) => (await findNearDuplicates(pictures, 16)).pairs;
    expect(await find(picture('1_left', 'train'), picture('1_right', 'test'))).toBe(0);
    expect(await find(picture('1_left', 'train'), picture('2_left', 'train'))).toBe(0);
    expect(await find(picture('1_left', 'train'), picture('2_left', 'test'))).toBe(1);
    const rows: FoldRow[] = ['1_left', '2_left'].flatMap((image, i) =>
      (['train', 'test'] as const).map(fold => ({ image, patient: String(i), level: 0, fold, version: 'a' })),
    );
    const pictures = hashedPictures(rows, new Map(rows.map(({ image }) => [image, HASH])));
    expect(pictures.map(({ folds }) => folds)).toEqual([
      ['train', 'test'],
      ['train', 'test'],
    ]);
    expect(await findNearDuplicates(pictures, 16)).toMatchObject({ pairs: 1, trainTest: 1 });
    expect(hashedPictures(rows, new Map())).toEqual([]);
  });

  test('are all counted and the closest listed where one picture comes hundreds of times', async () => {
    const many = Array.from({ length: 300 }, (_, i) => picture(`${i}_left`, i % 2 === 0 ? 'train' : 'test'));
    const close = [picture('1000_left', 'train', changed(HASH, [7])), ...many];
    const { pairs, listed } = await findNearDuplicates(close, 16);
    expect(pairs).toBe(150 * 150 + 150);
    expect(listed).toHaveLength(10_000);
    expect(listed.every(({ distance }) => distance === 0)).toBe(true);
  });

  test('come back from near-duplicates.csv as they were', async () => {
    const { listed } = await findNearDuplicates(
      [{ ...picture('1_left', 'train'), folds: ['train', 'validation'] }, picture('2_left', 'test')],
      16,
    );
    const csv = formatNearDuplicates(listed);
    expect(csv.split('\n')[1]).toBe('0,1_left,1,2,train+validation,2_left,2,2,test');
    expect(parseNearDuplicates(Buffer.from(csv))).toEqual(listed);
  });
});
