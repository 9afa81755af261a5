/** The fingerprint of a picture: the same for the same picture in another file, another for another eye. */
import sharp, { type Sharp } from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { HASH_BITS, perceptualHash } from '../../activities/images/perceptual-hash.ts';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';

const options = { size: 128, fuzz: 0.15, enhance: 'none', versions: ['a'] } as const;
const photographs: Buffer[] = [];
let hashes: string[];

beforeAll(async () => {
  for (const patient of makePatients(4, 4, 'even')) {
    for (const eye of patient.eyes) photographs.push(await photographEye(4, patient, eye));
  }
  hashes = await Promise.all(photographs.map(hashOf));
});

async function hashOf(jpeg: Buffer): Promise<string> {
  return (await preparePicture(jpeg, options)).hash;
}

function distance(a: string, b: string): number {
  const bits = (hash: string) => BigInt(`0x${hash}`).toString(2).padStart(HASH_BITS, '0');
  const [one, other] = [bits(a), bits(b)];
  return [...one].filter((bit, i) => bit !== other[i]).length;
}

describe('the hash of a picture', () => {
  test.each<[string, (picture: Sharp) => Sharp]>([
    ['another quality', picture => picture.jpeg({ quality: 50 })],
    ['half its size', picture => picture.resize({ width: 400 }).jpeg()],
    ['more light', picture => picture.linear(1.1, 0).jpeg()],
  ])('hardly changes with %s', async (_, change) => {
    const changed = await Promise.all(photographs.map(async jpeg => hashOf(await change(sharp(jpeg)).toBuffer())));
    const distances = changed.map((hash, i) => distance(hash, hashes[i]!)).sort((a, b) => a - b);
    expect(distances[Math.floor(distances.length / 2)]).toBeLessThanOrEqual(8);
    expect(distances.filter(d => d > 16).length).toBeLessThanOrEqual(1);
  });

  test('is another for each eye, those of one patient included', () => {
    const distances = hashes.flatMap((a, i) => hashes.slice(0, i).map(b => distance(a, b)));
    expect(Math.min(...distances)).toBeGreaterThan(24);
  });
});

test('what varies along one axis only, or nowhere, and pictures below the grid have hashes too', () => {
  const picture = (width: number, height: number, value: (x: number, y: number) => number) => ({
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
      const pixel = Math.floor(i / 3);
      return value(pixel % width, Math.floor(pixel / width));
    }),
  });
  for (const hash of [
    perceptualHash(picture(128, 128, () => 0)),
    perceptualHash(picture(32, 32, (x, y) => x * y)),
    perceptualHash(picture(100, 40, x => x)),
  ]) {
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  }
  // cos falls from left to right and from top to bottom: light in the first corner is the first frequency's sign.
  const corner = (x: number, y: number) => (x < 32 === y < 32 ? 200 : 50);
  expect(perceptualHash(picture(64, 64, corner))[0]).toMatch(/[89a-f]/);
  expect(perceptualHash(picture(64, 64, (x, y) => 250 - corner(x, y)))[0]).toMatch(/[0-7]/);
});
