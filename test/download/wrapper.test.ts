import { crc32c } from '@node-rs/crc32';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type KaggleServer, type ServedFile, startKaggleServer } from '../../demo/kaggle-server.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, keysOf, noise, served, zipOf } from './world.ts';

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
    expect(done).toMatchObject({ key: 'archives/here/train.zip.001.zip', size: SIZE, crc32c: crc32c(bytes) });
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
      key: 'archives/here/train.zip.001',
      offset: 0,
      size: 2 * SIZE,
      crc32c: crc32c(bytes),
    });
    expect((await bytesOf(services.store, done)).equals(bytes)).toBe(true);
    expect(await keysOf(services.store)).toEqual([
      'archives/here/train.zip.001',
      'archives/here/train.zip.001.part.json',
    ]);
    sent.bodyBytes = 0;
    expect(await part(args)).toEqual({ ...done, fetched: 0, reused: true });
    expect(sent.bodyBytes).toBe(0);
  });

  it('is no wrapper just because it begins like a zip', async () => {
    const zip = await zipOf({ 'train.zip.001': noise(1000) }, false);
    const { part, args } = await serve([served('train.zip.001', zip)]);
    expect(await part(args)).toMatchObject({ key: 'archives/here/train.zip.001', offset: 0, size: zip.length });
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
    expect(await keysOf(services.store)).not.toContain('archives/here/train.zip.001');
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

  it('is refused when it is no zip', async () => {
    const { part, args } = await serve([served('train.zip.001', noise(5000), 'train.zip.001.zip')]);
    expect(await failureOf(part(args))).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
  });
});
