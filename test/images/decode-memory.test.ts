/** One image takes at most 256 MB, whatever its header says: what would take more is refused before it is decoded. */
import { fileURLToPath } from 'node:url';
import sharp, { type JpegOptions } from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeRegion, openJpeg, UnusablePicture } from '../../activities/images/decode-jpeg.ts';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { eyeJpeg } from './support.ts';

const options = { size: 256, fuzz: 0.15, versions: ['a'], enhance: 'none' } as const;
const MEGABYTES = 256;

let eye: Buffer;
beforeAll(async () => {
  eye = await eyeJpeg(2, 300, 200);
});

/** A small eye whose header claims another size. */
async function claiming(width: number, height: number, how: JpegOptions & { orientation?: number } = {}) {
  const { orientation, ...jpegOptions } = how;
  const image = sharp(eye).jpeg(jpegOptions);
  const jpeg = await (orientation === undefined ? image : image.withMetadata({ orientation })).toBuffer();
  const frame = jpeg.indexOf(Buffer.from([0xff, how.progressive ? 0xc2 : 0xc0]));
  jpeg.writeUInt16BE(height, frame + 5);
  jpeg.writeUInt16BE(width, frame + 7);
  return jpeg;
}

describe('refuses a header that claims too much', () => {
  test.each<[string, () => Promise<Buffer>, RegExp]>([
    [
      'in several scans',
      () => claiming(9990, 10_000, { progressive: true }),
      /9990×10000 in several scans, which takes 618 MB$/,
    ],
    [
      'in several scans, without subsampling',
      () => claiming(7000, 6000, { progressive: true, chromaSubsampling: '4:4:4' }),
      /7000×6000 in several scans, which takes 269 MB$/,
    ],
    ['and is to be turned', () => claiming(9000, 5000, { orientation: 6 }), /5000×9000, which takes 287 MB$/],
  ])('%s', async (_, make, reason) => {
    const refused = preparePicture(await make(), options);
    await expect(refused).rejects.toBeInstanceOf(UnusablePicture);
    await expect(refused).rejects.toThrow(/^Expected a JPEG that takes at most 256 MB to decode, got /);
    await expect(refused).rejects.toThrow(reason);
  });

  test('of which nearly all would have to be looked at in full size', async () => {
    const jpeg = await openJpeg(await claiming(9990, 9990));
    const region = { left: 100, top: 100, width: 9700, height: 9700 };
    await expect(decodeRegion(jpeg, region)).rejects.toThrow(/got 9990×9990, which takes 299 MB$/);
  });
});

interface Peak {
  megabytes: number;
  reason: string | null;
}

/** In a process of its own: what the tests beside this one take is not counted. */
async function peakOf(jpeg: Buffer): Promise<Peak> {
  const script = fileURLToPath(new URL('peak-memory.ts', import.meta.url));
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), script];
  const { code, tail } = await runChild(command, { input: jpeg });
  expect(code, tail.join('\n')).toBe(0);
  return JSON.parse(tail.at(-1)!) as Peak;
}

describe('what is taken stays below the limit', () => {
  const drawn = (width: number, height: number) => sharp(eye).resize(width, height, { fit: 'fill', kernel: 'nearest' });
  test.each<[string, () => Promise<Buffer>]>([
    ['baseline, 9990×9990', () => drawn(9990, 9990).jpeg().toBuffer()],
    [
      'progressive, 6200×6200',
      () => drawn(6200, 6200).jpeg({ progressive: true, chromaSubsampling: '4:4:4' }).toBuffer(),
    ],
    ['turned, 6200×6200', () => drawn(6200, 6200).jpeg().withMetadata({ orientation: 6 }).toBuffer()],
    [
      'progressive and turned, 5000×5000',
      () =>
        drawn(5000, 5000)
          .jpeg({ progressive: true, chromaSubsampling: '4:4:4' })
          .withMetadata({ orientation: 6 })
          .toBuffer(),
    ],
  ])(
    '%s',
    async (_, make) => {
      const { megabytes, reason } = await peakOf(await make());
      expect(reason).toBeNull();
      expect(megabytes).toBeLessThanOrEqual(MEGABYTES);
    },
    120_000,
  );
});

test('a refusal takes next to nothing', async () => {
  const { megabytes, reason } = await peakOf(await claiming(9990, 10_000, { progressive: true }));
  expect(reason).toMatch(/^Expected a JPEG that takes at most 256 MB/);
  expect(megabytes).toBeLessThan(32);
});
