import { crc32c } from '@node-rs/crc32';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KaggleServer, type ServedFile, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, keysOf, noise, PART_KEY, served, zipOf } from './world.ts';

let services: TestServices;
let server: KaggleServer | undefined;
beforeEach(async () => {
  services = await testServices();
});
afterEach(async () => {
  await server?.close();
  await services.close();
});

async function serve(files: ServedFile[]) {
  server = await startKaggleServer({ competition: null, token: null, files });
  return { ...activitiesOn(services), args: argsFor(server.url), sent: server.served };
}
const SIZE = 1_000_003;

describe('a part that comes in a one-entry zip', () => {
  it('stays in it when it is stored: the part is a range of the wrapper', async () => {
    const bytes = noise(SIZE);
    const wrapper = await zipOf({ 'train.zip.001': bytes }, false);
    const { part, args, sent } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const done = await part(args);
    expect(done).toMatchObject({
      key: expect.stringMatching(/\/wrapper\/chunks\.json$/),
      size: SIZE,
      crc32c: crc32c(bytes),
    });
    expect(done.offset).toBeGreaterThan(0);
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    sent.bodyBytes = 0;
    expect(await part(args)).toMatchObject({ fetched: 0, reused: true, offset: done.offset });
    expect(sent.bodyBytes).toBe(0);
  });

  it('is inflated when it is deflated, and the wrapper goes', async () => {
    const bytes = Buffer.concat([noise(SIZE), Buffer.alloc(SIZE)]);
    const wrapper = await zipOf({ 'train.zip.001': bytes }, true);
    const { part, args, sent } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const done = await part(args);
    expect(done).toMatchObject({
      key: expect.stringMatching(PART_KEY),
      offset: 0,
      size: 2 * SIZE,
      crc32c: crc32c(bytes),
    });
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    expect((await keysOf(services.store)).filter(key => key.includes('/wrapper/'))).toEqual([]);
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...done, fetched: 0, reused: true });
    expect(sent.bodyBytes).toBe(0);
  });

  it('is no wrapper just because it begins like a zip', async () => {
    const zip = await zipOf({ 'train.zip.001': noise(1000) }, false);
    const { part, args } = await serve([served('train.zip.001', zip)]);
    expect(await part(args)).toMatchObject({ key: expect.stringMatching(PART_KEY), offset: 0, size: zip.length });
  });

  it.each([
    ['a flipped byte in stored data', false],
    ['a flipped byte in deflated data', true],
  ])('is refused for %s', async (_, compress) => {
    const wrapper = await zipOf({ 'train.zip.001': noise(SIZE) }, compress);
    wrapper[SIZE >> 1]! ^= 1;
    const { part, args } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const failure = await failureOf(part(args));
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
    expect(failure.message).toContain('CRC-32');
    expect((await keysOf(services.store)).filter(key => key.endsWith('part/chunks.json'))).toEqual([]);
  });

  it.each([
    ['two entries', { 'train.zip.001': noise(10), 'train.zip.002': noise(10) }, 'got 2 entries'],
    ['another name', { 'train.zip.002': noise(10) }, 'got one of train.zip.002'],
  ])('is refused for %s', async (_, files, message) => {
    const { part, args } = await serve([served('train.zip.001', await zipOf(files, true), 'train.zip.001.zip')]);
    const failure = await failureOf(part(args));
    expect(failure).toMatchObject({
      nonRetryable: true,
      type: 'BadArchive',
      message: expect.stringContaining(message),
    });
  });

  it('is found before bytes behind the end, and beside what a Mac or a person put there', async () => {
    const bytes = noise(SIZE);
    const files = {
      'train.zip.001': bytes,
      '__MACOSX/._train.zip.001': noise(120),
      '.DS_Store': noise(90),
      'README.txt': noise(90),
    };
    const wrapper = Buffer.concat([await zipOf(files, true), Buffer.alloc(10_240)]);
    const { part, args } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    const done = await part(args);
    expect(done).toMatchObject({ name: 'train.zip.001', size: SIZE, crc32c: crc32c(bytes) });
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
  });

  it('is found in a folder of the zip', async () => {
    const bytes = noise(1_000);
    const wrapper = await zipOf({ 'parts/train.zip.001': bytes }, false);
    const { part, args } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    expect(await part(args)).toMatchObject({ name: 'train.zip.001', size: 1_000, crc32c: crc32c(bytes) });
  });

  it.each<[string, (wrapper: Buffer) => Buffer, string]>([
    [
      'Deflate64',
      wrapper => {
        wrapper.writeUInt16LE(9, wrapper.indexOf('PK\x01\x02') + 10);
        return wrapper;
      },
      'Expected train.zip.001.zip to hold train.zip.001 stored or deflated, got it packed with Deflate64: unzip it, and give what is in it',
    ],
    [
      'a login page',
      () => Buffer.from('<!doctype html><title>Kaggle</title>'),
      'Expected train.zip.001.zip to be a zip of one file, got a web page, such as a login page: sign in and download it again',
    ],
    [
      'the end cut off',
      wrapper => wrapper.subarray(0, -30),
      'Expected train.zip.001.zip to be a zip of one file, got none that can be read: download it again',
    ],
  ])('is refused with its cause: %s', async (_, change, message) => {
    const wrapper = change(await zipOf({ 'train.zip.001': noise(5_000) }, true));
    const { part, args } = await serve([served('train.zip.001', wrapper, 'train.zip.001.zip')]);
    expect(await failureOf(part(args))).toMatchObject({ nonRetryable: true, type: 'BadArchive', message });
  });

  it('is refused when it is no zip', async () => {
    const { part, args } = await serve([served('train.zip.001', noise(5000), 'train.zip.001.zip')]);
    expect(await failureOf(part(args))).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
  });
});
