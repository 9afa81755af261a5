import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { enhance, eyeRadius, GREY, KEPT } from '../../activities/images/ben-graham.ts';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { UnusablePicture } from '../../activities/images/decode-jpeg.ts';
import { type PictureOptions, preparePicture } from '../../activities/images/prepare-picture.ts';
import { VERSIONS } from '../../config/input.ts';
import { eyeJpeg } from './support.ts';

const graham = (size: number): PictureOptions => ({ size, fuzz: 0.15, versions: ['a'], enhance: 'graham' });

async function enhanced(jpeg: Buffer, size: number): Promise<Bitmap> {
  const { pngs } = await preparePicture(jpeg, graham(size));
  const { data, info } = await sharp(pngs[0]!.bytes).raw().toBuffer({ resolveWithObject: true });
  expect(info).toMatchObject({ width: size, height: size, channels: 3 });
  return { data, width: size, height: size };
}

/** The channels' values within `share` of the half side from the middle, or those beyond it. */
function values({ data, width }: Bitmap, share: number, where: 'inside' | 'outside'): number[] {
  const middle = (width - 1) / 2;
  const radius = (width / 2) * share;
  return [...data].filter((_, n) => {
    const at = Math.floor(n / 3);
    const far = Math.hypot((at % width) - middle, Math.floor(at / width) - middle);
    return where === 'inside' ? far <= radius : far > radius;
  });
}
const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
const difference = (one: Bitmap, other: Bitmap) =>
  mean([...one.data].map((value, n) => Math.abs(value - other.data[n]!)));

describe('images.enhance: graham', () => {
  test.each([64, 256, 512])('at %i pixels: grey outside nine tenths of the radius, around grey within', async size => {
    const picture = await enhanced(await eyeJpeg(1, 900, 640, 0.9), size);
    expect(new Set(values(picture, KEPT, 'outside'))).toEqual(new Set([GREY]));
    const inside = values(picture, KEPT, 'inside');
    expect(Math.abs(mean(inside) - GREY)).toBeLessThan(10);
    // The vessel is dark, the disc bright: not all was taken away.
    expect(inside.reduce((least, value) => Math.min(least, value))).toBeLessThan(60);
    expect(inside.reduce((most, value) => Math.max(most, value))).toBeGreaterThan(200);
  });

  test('leaves no bright ring where the black ground was near', async () => {
    const picture = await enhanced(await eyeJpeg(1, 900, 640, 0.9), 256);
    const rim = values(picture, 0.85, 'outside').filter(value => value !== GREY);
    expect(rim.length).toBeGreaterThan(1000);
    expect(Math.abs(mean(rim) - GREY)).toBeLessThan(8);
  });

  test('is the same each time', async () => {
    const jpeg = await eyeJpeg(2, 900, 640);
    const [one, other] = await Promise.all([enhanced(jpeg, 128), enhanced(jpeg, 128)]);
    expect(difference(one, other)).toBe(0);
  });

  test('is nearly the same for an eye that is smaller and darker in its photograph', async () => {
    const eye = await eyeJpeg(3, 900, 640, 0.9);
    const other = await sharp(eye)
      .resize(630, 448)
      .linear(0.8, 0)
      .extend({ left: 100, right: 20, top: 30, bottom: 10, background: '#020101' })
      .jpeg({ quality: 95 })
      .toBuffer();
    const plain = (jpeg: Buffer) => preparePicture(jpeg, { ...graham(128), enhance: 'none' });
    const [a, b] = await Promise.all([eye, other].map(jpeg => enhanced(jpeg, 128)));
    expect(difference(a!, b!)).toBeLessThan(6);
    // Without it the two stand far apart.
    const [c, d] = await Promise.all(
      [eye, other].map(async jpeg => ({
        data: await sharp((await plain(jpeg)).pngs[0]!.bytes)
          .raw()
          .toBuffer(),
        width: 128,
        height: 128,
      })),
    );
    expect(difference(c!, d!)).toBeGreaterThan(12);
  });

  test('scales an eye that is cut off above and below by its width', async () => {
    const picture = await enhanced(await eyeJpeg(4, 900, 640, 1.3), 256);
    const column = (x: number) => Array.from({ length: 256 }, (_, y) => picture.data[(y * 256 + x) * 3]);
    const row = (y: number) => Array.from({ length: 256 }, (_, x) => picture.data[(y * 256 + x) * 3]);
    const extent = (line: (number | undefined)[]) =>
      line.findLastIndex(value => value !== GREY) - line.findIndex(value => value !== GREY) + 1;
    expect(extent(row(128))).toBeGreaterThan(220);
    // 640 of 832 pixels are there: 197 of 256.
    expect(Math.abs(extent(column(128)) - 197)).toBeLessThan(4);
  });

  test('sets aside a photograph whose middle row shows too little of an eye', async () => {
    const blob = { create: { width: 60, height: 60, channels: 3, background: '#c86428' } } as const;
    const [top, bottom] = [await sharp(blob).png().toBuffer(), await sharp(blob).png().toBuffer()];
    const jpeg = await sharp({ create: { width: 600, height: 400, channels: 3, background: '#000' } })
      .composite([
        { input: top, left: 30, top: 20 },
        { input: bottom, left: 480, top: 300 },
      ])
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    await expect(preparePicture(jpeg, graham(64))).rejects.toBeInstanceOf(UnusablePicture);
    await expect(preparePicture(jpeg, graham(64))).rejects.toThrow(/^Expected an eye across the middle row/);
  });

  test('stays small for a picture that is all height', async () => {
    const stripe = { data: new Uint8Array(2 * 60_000 * 3).fill(90), width: 2, height: 60_000 };
    const box = { left: 0, top: 0, width: 2, height: 60_000 };
    expect(eyeRadius(stripe, box)).toBe(1);
    // Scaled whole it would be 512 × 15,360,000 pixels.
    expect(await enhance(stripe, box, 512)).toMatchObject({ width: 512, height: 512 });
  });

  test('gives versions that are exact mirrors of each other, like the plain picture', async () => {
    const { pngs } = await preparePicture(await eyeJpeg(5), { ...graham(64), versions: VERSIONS });
    const [a, r] = pngs.map(({ bytes }) => bytes);
    const [turned, made] = await Promise.all([sharp(a).rotate(180).raw().toBuffer(), sharp(r).raw().toBuffer()]);
    expect(turned.equals(made)).toBe(true);
  });
});
