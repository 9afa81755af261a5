import { mkdir, readdir, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
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

  it('may have its labels in a zip that a Mac made, or with bytes behind its end', async () => {
    const { run } = activitiesOn(services);
    const args = { ...argsFor(`file:${folder}`), folder: 'here', file: { name: 'trainLabels.csv.zip', size: 0 } };
    const labels = Buffer.from(LABELS);
    for (const [files, behind] of [
      [{ 'trainLabels.csv': labels, '__MACOSX/._trainLabels.csv': noise(90) }, ''],
      [{ 'trainLabels.csv': labels, 'README.txt': noise(90), '.DS_Store': noise(9) }, '\n'],
      [{ 'labels/trainLabels.csv': labels }, '\0'.repeat(10_240)],
    ] as const) {
      await write('trainLabels.csv.zip', Buffer.concat([await zipOf(files, true), Buffer.from(behind)]));
      expect(await run('downloadLabels', args)).toMatchObject({ rows: 2, stages: [1, 0, 1, 0, 0] });
    }
    await write('trainLabels.csv.zip', await zipOf({ 'trainLabels.csv': labels, 'testLabels.csv': labels }, true));
    expect((await failureOf(run('downloadLabels', args))).message).toBe(
      'Expected trainLabels.csv.zip to be a zip of one file, got 2 entries (trainLabels.csv, testLabels.csv): unzip it, and give what is needed of it',
    );
  });

  it.each<[string, Buffer, string]>([
    [
      'a login page',
      Buffer.from('\ufeff\n<!DOCTYPE html>\n<html>'),
      'a web page, such as a login page: sign in and download it again',
    ],
    ['an error of a server', Buffer.from('<?xml version="1.0"?><Error/>'), 'a web page'],
    [
      'a pointer of Git LFS',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 499403\n'),
      'a pointer of Git LFS: fetch the file with `git lfs pull`',
    ],
    ['a gzip file', Buffer.from([0x1f, 0x8b, 8, 0, 0]), 'a gzip file: unpack it, and give what is in it'],
    ['UTF-16', Buffer.from('\ufeffimage,level', 'utf16le'), 'text in UTF-16: save it as CSV in UTF-8'],
    ['zeros', Buffer.alloc(700), 'zeros, as a stopped download leaves: download it again'],
  ])('that has %s for labels is told so, bare and in a zip', async (_, bytes, what) => {
    const { run } = activitiesOn(services);
    const args = { ...argsFor(`file:${folder}`), folder: 'here', file: { name: 'trainLabels.csv', size: 0 } };
    for (const [name, file] of [
      ['trainLabels.csv', bytes],
      ['trainLabels.csv.zip', await zipOf({ 'trainLabels.csv': bytes }, true)],
    ] as const) {
      await write(name, file);
      expect(await failureOf(run('downloadLabels', { ...args, file: { name, size: 0 } }))).toMatchObject({
        ...{ nonRetryable: true, type: 'BadLabels' },
        message: expect.stringContaining(`Expected trainLabels.csv to be a table of images and levels, got ${what}`),
      });
    }
  });

  it('that has fewer parts, one zip or a bundle says what is there and the way', async () => {
    const { run } = activitiesOn(services);
    const list = async (archive = {}) =>
      (await failureOf(run('listFiles', argsFor(`file:${folder}`, { labels: 'trainLabels.csv', ...archive })))).message;
    await write('trainLabels.csv.zip', noise(10));
    await write('diabetic-retinopathy-detection.zip', noise(10));
    expect(await list({ parts: 5 })).toBe(
      `Expected 5 parts of train.zip (train.zip.001, …) in ${folder}, got diabetic-retinopathy-detection.zip: unzip it there if the parts are in it`,
    );
    await write('train.zip', noise(10));
    expect(await list({ parts: 5 })).toBe(
      `Expected 5 parts of train.zip (train.zip.001, …) in ${folder}, got train.zip itself: give it the name of a part (ln train.zip train.zip.001), and set archive.parts to 1 (--set archive.parts=1, of score --parts 1)`,
    );
    for (const n of [1, 2, 3, 4]) await write(`train.zip.00${n}`, noise(10));
    expect(await list({ parts: 5 })).toBe(
      `Expected 5 parts of train.zip in ${folder}, got 4 (train.zip.001 to train.zip.004): set archive.parts to 4 (--set archive.parts=4, of score --parts 4) if that is all of it, or add train.zip.005`,
    );
    await rm(join(folder, 'train.zip.002'));
    expect(await list({ parts: 5 })).toBe(
      `Expected 5 parts of train.zip, got 3: train.zip.002, train.zip.005 are missing in ${folder}`,
    );
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

  it('is read only where the worker may, also through links, and by names alone', async () => {
    const { run, part } = activitiesOn(services);
    await write('train.zip.001', noise(1_000));
    const elsewhere = join(services.scratch, 'elsewhere');
    await writeFile(elsewhere, 'not for everybody');
    await symlink(elsewhere, join(folder, 'train.zip.002'));
    services.env = { RETINOPATHY_FILES: folder };
    const messageOf = async (work: Promise<unknown>) => {
      const failure = await failureOf(work);
      expect(failure).toMatchObject({ nonRetryable: true, type: 'BadInput' });
      return failure.message;
    };
    expect(await messageOf(run('listFiles', argsFor('file:/root', { parts: 2 })))).toBe(
      "Expected `source` below a folder that RETINOPATHY_FILES of the worker's environment names, got /root: put it there, or name its folder",
    );
    const args = argsFor(`file:${folder}`, { parts: 2, labels: null });
    expect((await run('listFiles', args)).parts.map(({ size }) => size)).toEqual([1_000, 0]);
    expect((await part(args)).size).toBe(1_000);
    expect(await messageOf(part(args, 'train.zip.002'))).toContain(
      `got ${join(folder, 'train.zip.002')}: put it there`,
    );
    const labels = run('downloadLabels', { ...args, folder: 'here', file: { name: '../elsewhere', size: 0 } });
    expect(await messageOf(labels)).toBe('Expected the name of a file, got ../elsewhere');
    services.env = { RETINOPATHY_FILES: `${folder}:${elsewhere}` };
    expect((await part(args, 'train.zip.002')).size).toBe(17);
  });
});
