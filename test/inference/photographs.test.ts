/** Which photographs are meant, and how what is said of them is written down. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { formatOwnPredictions } from '../../cli/results/prediction-tables.ts';
import { findPhotographs } from '../../inference/predict.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'photographs-'));
  await mkdir(join(folder, 'deeper'));
  for (const name of ['10_left.jpeg', '2_left.JPG', '.hidden.jpeg', 'scan.tif', 'notes.txt', 'deeper/2_left.jpg']) {
    await writeFile(join(folder, name), '');
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('folders give their pictures by number, and those of the folders in them; hidden files are left out', async () => {
  const { photographs, others, folders } = await findPhotographs([folder]);
  const names = ['2_left.JPG', '10_left.jpeg', 'deeper/2_left.jpg', 'scan.tif'];
  expect(photographs.map(({ file }) => file)).toEqual(names.map(name => join(folder, name)));
  expect(photographs.map(({ image }) => image)).toEqual(names.map(name => join(folder, name.replace(/\.\w+$/, ''))));
  expect([others, folders]).toEqual([1, true]);
});

test('a file is taken by its name, once, whether it is there or not', async () => {
  const file = join(folder, '10_left.jpeg');
  const { photographs, folders } = await findPhotographs([file, file, '/nowhere/eye.jpg']);
  expect(photographs.map(({ file }) => file)).toEqual([file, '/nowhere/eye.jpg']);
  expect(folders).toBe(false);
});

test('names and reasons with commas, quotes and line breaks survive the table', () => {
  const failed = { file: 'a, "b"\nc.jpeg', reason: 'Expected "x", got y' };
  const [row] = parse(formatOwnPredictions([failed]), { columns: true }) as Record<string, string>[];
  expect(row).toMatchObject({ ...failed, p0: '', predicted: '', fellow: '' });
});
