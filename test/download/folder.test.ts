import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestServices, testServices } from '../support/services.ts';
import { activitiesOn, argsFor, bytesOf, failureOf, LABELS, noise, zipOf } from './world.ts';

let services: TestServices;
let folder: string;
beforeEach(async () => {
  services = await testServices();
  folder = join(services.scratch, 'parts');
  await mkdir(folder);
});
afterEach(() => services.close());

const write = (name: string, bytes: Buffer | string) => writeFile(join(folder, name), bytes);

describe('a folder as the source', () => {
  it('gives its parts, bare or wrapped, and its labels, and is not altered', async () => {
    const { run, part } = activitiesOn(services);
    const [one, two] = [noise(300_000), noise(200_000)];
    await write('train.zip.001', one);
    await write('train.zip.002.zip', await zipOf({ 'train.zip.002': two }, true));
    await write('trainLabels.csv', LABELS);
    await write('readme.txt', 'x');
    const before = await Promise.all((await readdir(folder)).map(name => stat(join(folder, name))));
    const args = argsFor(`file:${folder}`, { parts: 2 });
    const listed = await run('listFiles', args);
    expect(listed.folder).toMatch(/^file-[0-9a-f]{12}$/);
    expect(listed.parts.map(({ name }) => name)).toEqual(['train.zip.001', 'train.zip.002']);
    for (const [name, bytes] of [
      ['train.zip.001', one],
      ['train.zip.002', two],
    ] as const) {
      const first = await part(args, name);
      expect((await bytesOf(services.store, first)).equals(bytes)).toBe(true);
      expect(await part(args, name)).toEqual({ ...first, fetched: 0, reused: true });
    }
    const labels = await run('downloadLabels', { ...args, folder: listed.folder, file: listed.labels! });
    expect(labels.rows).toBe(2);
    const after = await Promise.all((await readdir(folder)).map(name => stat(join(folder, name))));
    expect(after.map(({ mtimeMs, size }) => [mtimeMs, size])).toEqual(
      before.map(({ mtimeMs, size }) => [mtimeMs, size]),
    );
  });

  it('has another fingerprint when a file is another', async () => {
    const { run } = activitiesOn(services);
    const args = argsFor(`file:${folder}`, { labels: null });
    await write('train.zip.001', noise(100));
    const before = await run('listFiles', args);
    await utimes(join(folder, 'train.zip.001'), 1, 1);
    const after = await run('listFiles', args);
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(after.folder).toBe(before.folder);
  });

  it('may get other labels, which leave the earlier ones as they are', async () => {
    const { run } = activitiesOn(services);
    const args = { ...argsFor(`file:${folder}`), folder: 'here', file: { name: 'trainLabels.csv', size: 0 } };
    await write('trainLabels.csv', LABELS);
    const before = await run('downloadLabels', args);
    expect(await run('downloadLabels', args)).toEqual(before);
    await write('trainLabels.csv', 'image,level\n10_left,3\n');
    const after = await run('downloadLabels', args);
    expect(after).toMatchObject({ rows: 1, stages: [0, 0, 0, 1, 0] });
    expect((await services.store.get(before.key)).toString()).toBe(LABELS);
    expect((await services.store.get(after.key)).toString()).toBe('image,level\n10_left,3\n');
  });

  it('is refused with what is wrong', async () => {
    const { run } = activitiesOn(services);
    const list = async (archive = {}, path = folder) => {
      const failure = await failureOf(run('listFiles', argsFor(`file:${path}`, archive)));
      expect(failure).toMatchObject({ nonRetryable: true, type: 'BadInput' });
      return failure.message;
    };
    expect(await list()).toBe(`Expected 1 part of train.zip (train.zip.001, …) in ${folder}, got no files`);
    expect(await list({}, join(folder, 'gone'))).toContain('to be a folder that this machine can read, got ENOENT');
    for (const n of [1, 2, 4]) await write(`train.zip.00${n}`, noise(10));
    expect(await list({ parts: 4 })).toBe(
      `Expected 4 parts of train.zip, got 3: train.zip.003 is missing in ${folder}`,
    );
    await write('train.zip.003', noise(10));
    expect(await list({ parts: 3, labels: null })).toContain('Expected 3 parts of train.zip, got 4');
    expect(await list({ parts: 4 })).toContain('Expected trainLabels.csv or trainLabels.csv.zip');
    await rm(join(folder, 'train.zip.004'));
    await write('train.zip.004', '');
    expect(await failureOf(activitiesOn(services).part(argsFor(`file:${folder}`), 'train.zip.004'))).toMatchObject({
      nonRetryable: true,
      message: expect.stringContaining('got 0 bytes'),
    });
  });
});
