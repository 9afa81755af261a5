import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { UnusablePicture } from '../../activities/images/decode-jpeg.ts';
import { type PreparedPicture, preparePicture } from '../../activities/images/prepare-picture.ts';
import { VERSIONS } from '../../config/input.ts';
import { sha256 } from '../../storage/checksum.ts';
import { eyeJpeg } from './support.ts';

const options = { size: 256, fuzz: 0.15, versions: VERSIONS, enhance: 'none' } as const;
const fixture = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));

async function pixels(png: Uint8Array): Promise<Buffer> {
  return sharp(png).raw().toBuffer();
}

/** Short enough to be compared and shown when they differ. */
const digests = ({ crop, pngs }: PreparedPicture) => [
  crop,
  ...pngs.map(({ version, bytes }) => [version, sha256(bytes)]),
];

/** Peak signal-to-noise ratio in dB. */
function psnr(one: Uint8Array, other: Uint8Array): number {
  const error = one.reduce((sum, value, n) => sum + (value - other[n]!) ** 2, 0) / one.length;
  return 10 * Math.log10(255 ** 2 / error);
}

describe('preparePicture', () => {
  test("gives ImageMagick's own picture", async () => {
    // The fixture was made by `convert eye.jpeg -fuzz 15% -trim -resize 256x256 -background black -gravity center -extent 256x256`.
    const { pngs, crop } = await preparePicture(fixture('eye.jpeg'), options);
    expect(crop).toEqual({ left: 59, top: 0, width: 367, height: 333 });
    expect(psnr(await pixels(pngs[0]!.bytes), await pixels(fixture('eye.imagemagick-6.9.11.png')))).toBeGreaterThan(45);
  });

  test('gives four PNGs of 8-bit RGB that are exact mirrors and rotations of each other', async () => {
    const { pngs, width, height } = await preparePicture(await eyeJpeg(1), options);
    expect([width, height]).toEqual([240, 160]);
    expect(pngs.map(({ version }) => version)).toEqual(['a', 'r', 'fa', 'fr']);
    for (const { bytes } of pngs) {
      expect(await sharp(bytes).metadata()).toMatchObject({
        format: 'png',
        width: 256,
        height: 256,
        channels: 3,
        depth: 'uchar',
      });
    }
    const [a, r, fa, fr] = pngs.map(({ bytes }) => bytes);
    // By libvips, not by the code that made them.
    expect((await sharp(a).rotate(180).raw().toBuffer()).equals(await pixels(r!))).toBe(true);
    expect((await sharp(a).flop().raw().toBuffer()).equals(await pixels(fa!))).toBe(true);
    expect((await sharp(r).flop().raw().toBuffer()).equals(await pixels(fr!))).toBe(true);
  });

  test('gives the same bytes each time, and only the versions asked for', async () => {
    const jpeg = await eyeJpeg(2);
    const [first, second] = await Promise.all([preparePicture(jpeg, options), preparePicture(jpeg, options)]);
    expect(digests(first)).toEqual(digests(second));
    const { pngs } = await preparePicture(jpeg, { ...options, size: 64, versions: ['fa'] });
    expect(pngs.map(({ version }) => version)).toEqual(['fa']);
    expect(await sharp(pngs[0]!.bytes).metadata()).toMatchObject({ width: 64, height: 64 });
  });

  test('finds the same eye in a photograph that is decoded shrunk', async () => {
    const whole = await eyeJpeg(3, 1000, 700);
    const large = await sharp(whole).resize(3000, 2100, { kernel: 'lanczos3' }).jpeg({ quality: 95 }).toBuffer();
    const [small, shrunk] = await Promise.all([preparePicture(whole, options), preparePicture(large, options)]);
    expect(shrunk.width).toBe(3000);
    for (const side of ['left', 'top', 'width', 'height'] as const) {
      expect(Math.abs(shrunk.crop[side] - small.crop[side] * 3)).toBeLessThanOrEqual(10);
    }
    expect(psnr(await pixels(small.pngs[0]!.bytes), await pixels(shrunk.pngs[0]!.bytes))).toBeGreaterThan(28);
  });

  test('makes pictures of 512 pixels of the same eye', async () => {
    const large = await sharp(await eyeJpeg(3, 1500, 1050))
      .jpeg({ quality: 95 })
      .toBuffer();
    const at = async (size: number) => (await preparePicture(large, { ...options, size })).pngs[0]!.bytes;
    const [wanted, small] = await Promise.all([at(512), at(256)]);
    expect(await sharp(wanted).metadata()).toMatchObject({ width: 512, height: 512, channels: 3 });
    const reduced = await sharp(wanted).resize(256, 256, { kernel: 'lanczos3' }).raw().toBuffer();
    expect(psnr(reduced, await pixels(small))).toBeGreaterThan(35);
  });

  test('makes RGB of grey and CMYK photographs', async () => {
    const eye = await eyeJpeg(4);
    const grey = await preparePicture(await sharp(eye).greyscale().jpeg().toBuffer(), options);
    const { data, info } = await sharp(grey.pngs[0]!.bytes).raw().toBuffer({ resolveWithObject: true });
    expect(info.channels).toBe(3);
    const centre = (128 * 256 + 100) * 3;
    expect(data[centre]).toBe(data[centre + 1]);
    expect(data[centre]).toBeGreaterThan(40);

    const cmyk = await preparePicture(await sharp(eye).toColourspace('cmyk').jpeg().toBuffer(), options);
    const rgb = await pixels(cmyk.pngs[0]!.bytes);
    expect(rgb[centre]! - rgb[centre + 2]!).toBeGreaterThan(60);
  });

  test('takes a progressive photograph like another', async () => {
    const eye = await eyeJpeg(5);
    const [plain, progressive] = await Promise.all(
      [false, true].map(progressive => sharp(eye).jpeg({ progressive }).toBuffer()),
    );
    expect((await sharp(progressive).metadata()).isProgressive).toBe(true);
    const [one, other] = await Promise.all([plain!, progressive!].map(jpeg => preparePicture(jpeg, options)));
    expect(digests(other!)).toEqual(digests(one!));
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'turns a photograph with the EXIF orientation %i as a viewer does',
    async orientation => {
      const stored = await sharp(await eyeJpeg(5))
        .jpeg({ quality: 95 })
        .withMetadata({ orientation })
        .toBuffer();
      // By libvips, and written again without the tag.
      const shown = await sharp(stored).autoOrient().jpeg({ quality: 95 }).toBuffer();
      expect((await sharp(stored).metadata()).orientation).toBe(orientation);
      expect((await sharp(shown).metadata()).orientation).toBeUndefined();
      const [one, other] = await Promise.all([preparePicture(stored, options), preparePicture(shown, options)]);
      expect([one.width, one.height]).toEqual(orientation < 5 ? [240, 160] : [160, 240]);
      expect([one.width, one.height, one.crop]).toEqual([other.width, other.height, other.crop]);
      expect(psnr(await pixels(one.pngs[0]!.bytes), await pixels(other.pngs[0]!.bytes))).toBeGreaterThan(38);
    },
  );

  test('turns a large photograph too', async () => {
    const upright = await eyeJpeg(5, 2000, 3000, 0.6);
    const lying = await sharp(await sharp(upright).rotate(270).raw().toBuffer(), {
      raw: { width: 3000, height: 2000, channels: 3 },
    })
      .jpeg({ quality: 95 })
      .withMetadata({ orientation: 6 })
      .toBuffer();
    const [one, other] = await Promise.all([preparePicture(lying, options), preparePicture(upright, options)]);
    expect([one.width, one.height]).toEqual([2000, 3000]);
    expect(psnr(await pixels(one.pngs[0]!.bytes), await pixels(other.pngs[0]!.bytes))).toBeGreaterThan(30);
    for (const side of ['left', 'top', 'width', 'height'] as const) {
      expect(Math.abs(one.crop[side] - other.crop[side])).toBeLessThanOrEqual(6);
    }
  });

  const solid = (colour: string) =>
    sharp({ create: { width: 300, height: 200, channels: 3, background: colour } })
      .jpeg()
      .toBuffer();
  const dust = async () =>
    sharp({ create: { width: 600, height: 400, channels: 3, background: 'black' } })
      .composite([
        {
          input: await sharp(await solid('white'))
            .resize(12, 9)
            .png()
            .toBuffer(),
          left: 40,
          top: 50,
        },
      ])
      .jpeg()
      .toBuffer();
  const claiming = async (side: number) => {
    const jpeg = Buffer.from(await eyeJpeg(6));
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.writeUInt16BE(side, frame + 5);
    jpeg.writeUInt16BE(side, frame + 7);
    return jpeg;
  };
  /** Says that the samples have so many bits, or that they are coded as another kind of JPEG. */
  const framed = async (marker: number, bits: number) => {
    const jpeg = Buffer.from(await eyeJpeg(6));
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg[frame + 1] = marker;
    jpeg[frame + 4] = bits;
    return jpeg;
  };
  /** Says that the samples have no components. */
  const componentless = async () => {
    const jpeg = Buffer.from(await eyeJpeg(6));
    jpeg[jpeg.indexOf(Buffer.from([0xff, 0xc0])) + 9] = 0;
    return jpeg;
  };
  test.each([
    ['black', () => solid('#010000'), /^Expected an eye on a dark ground, got a picture of one colour$/],
    ['dust on black', dust, /^Expected an eye of at least 32×32 pixels, got \d+×\d+ after trimming$/],
    [
      'cut short',
      async () => (await eyeJpeg(6)).subarray(0, 2500),
      /^Expected a JPEG that can be decoded, got one that is cut short$/,
    ],
    [
      'cut by two bytes',
      async () => (await eyeJpeg(6)).subarray(0, -2),
      /^Expected a JPEG that can be decoded, got one that is cut short$/,
    ],
    ['cut in the header', async () => (await eyeJpeg(6)).subarray(0, 60), /got one that is cut short$/],
    [
      'a PNG',
      async () =>
        sharp(await eyeJpeg(6))
          .png()
          .toBuffer(),
      /^Expected a JPEG, got bytes that begin with 89504e47$/,
    ],
    ['an SVG', async () => Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), /begin with 3c737667$/],
    ['nothing', async () => Buffer.alloc(0), /^Expected a JPEG/],
    [
      'a PNG of 16 bits a sample',
      async () =>
        sharp(await eyeJpeg(6))
          .toColourspace('rgb16')
          .png()
          .toBuffer(),
      /^Expected a JPEG, got bytes that begin with 89504e47$/,
    ],
    ['samples of 12 bits', () => framed(0xc1, 12), /^Expected a JPEG that can be decoded, got /],
    ['samples of 16 bits', () => framed(0xc0, 16), /^Expected a JPEG that can be decoded, got /],
    ['a lossless JPEG', () => framed(0xc3, 16), /^Expected a JPEG that can be decoded, got /],
    ['an eye of 24 pixels', () => eyeJpeg(6, 36, 24, 1), /^Expected an eye of at least 32×32 pixels, got \d+×\d+/],
    [
      'a single pixel',
      () =>
        sharp({ create: { width: 1, height: 1, channels: 3, background: '#f80' } })
          .jpeg()
          .toBuffer(),
      /of one colour$/,
    ],
    ['a damaged header', () => componentless(), /got a header that libjpeg refuses$/],
    [
      'a claim of 3.6 gigapixels',
      () => claiming(60_000),
      /^Expected a JPEG of at most 100000000 pixels, got 60000×60000$/,
    ],
  ])('refuses %s with one line that says why', async (_, make, reason) => {
    const refused = preparePicture(await make(), options);
    await expect(refused).rejects.toBeInstanceOf(UnusablePicture);
    await expect(refused).rejects.toThrow(reason);
    await expect(refused).rejects.not.toThrow(/\n/);
  });

  test('gives the same reasons when many fail at once', async () => {
    const eye = await eyeJpeg(7);
    const bad = Array.from({ length: 24 }, (_, n) => (n % 2 ? eye.subarray(0, 2_000 + n) : eye.subarray(0, 60)));
    const reasons = await Promise.all(bad.map(jpeg => preparePicture(jpeg, options).catch(error => error.message)));
    expect(new Set(reasons)).toEqual(new Set(['Expected a JPEG that can be decoded, got one that is cut short']));
  });
});
