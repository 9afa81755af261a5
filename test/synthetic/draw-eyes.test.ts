import { readdir } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import unzipper from 'unzipper';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DrawingProgress, drawEyes } from '../../activities/download/generate-synthetic.ts';
import type { DrawEyesArgs, DrawnEyes } from '../../activities/download/types.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { cutIntoParts } from '../../synthetic/archive.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { type TestServices, testServices } from '../support/services.ts';

const input = pipelineInputSchema.parse({ synthetic: { seed: 5 } });
const synthetic = { ...input.synthetic, patients: 6 };
const args: DrawEyesArgs = { prefix: 'stages/synthetic/k', synthetic, archive: input.archive };
const key = (name: string) => `${args.prefix}/files/${name}`;
const parts = [1, 2, 3, 4, 5].map(n => `train.zip.00${n}`);

const EOCD = 0x06054b50;
const EOCD64 = 0x06064b50;
const EOCD64_LOCATOR = 0x07064b50;

let services: TestServices;
let drawn: DrawnEyes;
const progress: DrawingProgress[] = [];

/** Unwraps a one-entry zip of the store. */
async function unwrap(name: string): Promise<Buffer> {
  const { files } = await unzipper.Open.buffer(await services.store.get(key(`${name}.zip`)));
  expect(files.map(({ path }) => path)).toEqual([name]);
  const bytes = await files[0]!.buffer();
  expect(crc32(bytes)).toBe(files[0]!.crc32);
  return bytes;
}

beforeAll(async () => {
  services = await testServices();
  drawn = await drawEyes(services, args, report => progress.push(report));
});
afterAll(() => services.close());

describe('drawEyes', () => {
  it('stores five wrapped parts and the wrapped labels, and says what they are', async () => {
    expect(Object.keys(drawn.outputs)).toEqual([...parts, 'trainLabels.csv'].map(name => `${name}.zip`));
    for (const [name, artifact] of Object.entries(drawn.outputs)) {
      expect(artifact.key).toBe(key(name));
      expect(await services.store.head(artifact.key)).toEqual({ size: artifact.size });
    }
    const bytes = Object.values(drawn.outputs).reduce((sum, { size }) => sum + size, 0);
    expect(drawn.counts).toEqual({ patients: 6, pictures: 12, bytes });
    expect(progress.at(-1)).toEqual({ pictures: 12, of: 12 });
    expect(await readdir(services.scratch)).toEqual([]);
  });

  it('cuts one deflated zip64 with its folder entry, whole in every byte', async () => {
    const pieces = await Promise.all(parts.map(unwrap));
    expect(new Set(pieces.slice(0, 4).map(piece => piece.length)).size).toBe(1);
    const whole = Buffer.concat(pieces);
    const tail = whole.length - 22;
    expect(whole.readUInt32LE(tail)).toBe(EOCD);
    expect(whole.readUInt32LE(tail + 16)).toBe(0xffffffff);
    expect(whole.readUInt32LE(tail - 20)).toBe(EOCD64_LOCATOR);
    expect(whole.readUInt32LE(Number(whole.readBigUInt64LE(tail - 12)))).toBe(EOCD64);

    const { files } = await unzipper.Open.buffer(whole);
    expect(files[0]!.path).toBe('train/');
    expect(files).toHaveLength(13);
    for (const file of files.slice(1)) {
      expect(file.path).toMatch(/^train\/\d+_(left|right)\.jpeg$/);
      expect(file.compressionMethod).toBe(8);
      // 17 February 2015, 12:00, wherever it was drawn.
      expect([file.lastModifiedDate, file.lastModifiedTime]).toEqual([0x4651, 0x6000]);
      const bytes = await file.buffer();
      expect([bytes.length, crc32(bytes)]).toEqual([file.uncompressedSize, file.crc32]);
      expect((await sharp(bytes).metadata()).format).toBe('jpeg');
    }
  });

  it('labels every picture', async () => {
    const [header, ...rows] = (await unwrap('trainLabels.csv')).toString().trimEnd().split('\n');
    expect(header).toBe('image,level');
    const { files } = await unzipper.Open.buffer(Buffer.concat(await Promise.all(parts.map(unwrap))));
    expect(rows.map(row => `train/${row.split(',')[0]}.jpeg`)).toEqual(files.slice(1).map(({ path }) => path));
    for (const row of rows) expect(row).toMatch(/^\d+_(left|right),[0-4]$/);
  });

  it('finds what it finished and draws nothing again', async () => {
    const again = await drawEyes(services, args, () => {
      throw new Error('Expected nothing to be drawn');
    });
    expect(again).toEqual(drawn);
  });

  it('mends what another version left half-done, with the same bytes as before', async () => {
    await services.store.remove(key('train.zip.002.zip'));
    await services.store.remove(key('trainLabels.csv.zip'));
    await services.store.put(key('train.zip.001.zip'), Buffer.from('of another archive'), { overwrite: true });
    expect(await drawEyes(services, args)).toEqual(drawn);
    expect((await services.store.get(key('train.zip.001.zip'))).length).toBe(drawn.outputs['train.zip.001.zip']!.size);
  });

  it('stops when it is told to, and leaves nothing in scratch', async () => {
    const stop = new AbortController();
    const other = { ...args, prefix: 'stages/synthetic/stopped' };
    const drawing = drawEyes(services, other, ({ pictures }) => pictures === 3 && stop.abort(), stop.signal);
    await expect(drawing).rejects.toThrow(/abort/i);
    expect(await readdir(services.scratch)).toEqual([]);
    for await (const { key } of services.store.list(other.prefix)) throw new Error(`Expected nothing, got ${key}`);
  });

  it('writes no labels where the archive has none', async () => {
    const { outputs } = await drawEyes(services, {
      prefix: 'stages/synthetic/unlabelled',
      synthetic: { ...synthetic, patients: 2 },
      archive: { ...input.archive, parts: 2, labels: null },
    });
    expect(Object.keys(outputs)).toEqual(['train.zip.001.zip', 'train.zip.002.zip']);
  });

  it('draws an archive to be scored of other patients, with a sample submission that names them and no grade', async () => {
    const prefix = 'stages/synthetic/test';
    const { outputs } = await drawEyes(services, {
      ...{ prefix, synthetic: { ...synthetic, patients: 2, first: 6 } },
      archive: { ...input.archive, name: 'test.zip', parts: 1, labels: null, sample: 'sampleSubmission.csv' },
    });
    expect(Object.keys(outputs)).toEqual(['test.zip.001.zip', 'sampleSubmission.csv.zip']);
    const inside = async (name: string) =>
      (await unzipper.Open.buffer(await services.store.get(`${prefix}/files/${name}.zip`))).files[0]!.buffer();
    const eyes = makePatients(5, 2, synthetic.stages, 6).flatMap(patient => patient.eyes.map(({ name }) => name));
    expect((await inside('sampleSubmission.csv')).toString()).toBe(
      `image,level\n${eyes.map(name => `${name},0\n`).join('')}`,
    );
    const { files } = await unzipper.Open.buffer(await inside('test.zip.001'));
    expect(files.map(({ path }) => path)).toEqual(['test/', ...eyes.map(name => `test/${name}.jpeg`)]);
    const trained = makePatients(5, 6, synthetic.stages).flatMap(patient => patient.eyes.map(({ name }) => name));
    expect(eyes.filter(name => trained.includes(name))).toEqual([]);
  });
});

describe('cutIntoParts', () => {
  it('covers every byte once', () => {
    expect(cutIntoParts(10, 3)).toEqual([
      { offset: 0, length: 4 },
      { offset: 4, length: 4 },
      { offset: 8, length: 2 },
    ]);
  });
});
