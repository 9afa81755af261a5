/** `retinopathy export digits`: the folder, what DIGITS and Caffe read of it, and what is refused. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCaffe } from '../../activities/caffe/run-caffe.ts';
import { createLabelActivities } from '../../activities/labels/index.ts';
import { stageKey } from '../../activities/run/records.ts';
import { writeDigitsFolder } from '../../cli/results/digits-folder.ts';
import { VERSIONS } from '../../config/input.ts';
import { putJson } from '../../storage/documents.ts';
import type { Artifact } from '../../storage/store.ts';
import { testCaffe } from '../support/caffe.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { LABEL, PREPARE, type Prepared, prepareStage, runActivity, tinyInput } from '../training/prepared.ts';

const RUN = 'dr-2026-11';
let services: TestServices;
let prepared: Prepared;
let lists: Record<string, Artifact>;

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  const { store } = services;
  prepared = await prepareStage(store, 20);
  const { folds, images, training } = tinyInput();
  const { assignFolds } = createLabelActivities(services);
  ({ lists } = await runActivity(assignFolds, {
    ...{ prefix: LABEL, prepare: PREPARE, labels: prepared.labels, folds, images, training },
  }));
  await putJson(store, `${LABEL}/manifest.json`, { outputs: lists });
  await putJson(store, `runs/${RUN}/run.json`, { run: RUN });
  await putJson(store, 'runs/young/run.json', { run: 'young' });
  for (const [name, prefix] of Object.entries({ prepare: PREPARE, label: LABEL })) {
    const [, stage, key] = prefix.split('/');
    await putJson(store, stageKey(RUN, name), { name, stage, key, finished: true });
    await putJson(store, stageKey('young', name), { name, stage, key, finished: name === 'prepare' });
  }
});
afterAll(() => services.close());

const folderOf = (name: string) => join(services.folder, name);

async function digits(to: string, ...options: string[]): Promise<{ code: number | null; said: string }> {
  const command = retinopathy(['export', 'digits', folderOf(to), ...options]);
  const { code } = await command.exited;
  return { code, said: command.output().trim() };
}
const named = () => ['--run', RUN, '--store', services.store.url];

describe('the folder', () => {
  let folder: string;
  beforeAll(async () => {
    folder = folderOf('deep/digits');
    await writeDigitsFolder(services.store, {
      ...{ prepare: PREPARE, label: LABEL, folder },
      signal: new AbortController().signal,
      onProgress: () => {},
    });
  });

  test('holds the lists as the run used them, and every picture that they name, to the byte', async () => {
    const pictures = new Set<string>();
    for (const [name, { key }] of Object.entries(lists)) {
      const text = await readFile(join(folder, name), 'utf8');
      expect(text).toBe((await services.store.get(key)).toString());
      if (name.endsWith('labels.txt')) expect(text.trimEnd().split('\n')).toHaveLength(2);
      else for (const line of text.trimEnd().split('\n')) pictures.add(/^(\S+)\t[01]$/.exec(line)![1]!);
    }
    expect((await readdir(join(folder, 'images'))).sort()).toEqual([...pictures].sort());
    const { pictures: indexed } = JSON.parse(
      (await services.store.get(`${PREPARE}/shard-001.index.json`)).toString(),
    ) as { pictures: { image: string; versions: Record<string, { offset: number; size: number }> }[] };
    const { image, versions } = indexed.find(({ image }) => pictures.has(`${image}.fa.png`))!;
    const { offset, size } = versions.fa!;
    const png = await services.store.get(`${PREPARE}/shard-001.tar`, { offset, length: size });
    expect(png.equals(await readFile(join(folder, 'images', `${image}.fa.png`)))).toBe(true);
  });

  test('keeps all versions of the held-out eyes, and labels by the split', async () => {
    const test3 = (await readFile(join(folder, 'split-3/test.tsv'), 'utf8')).trimEnd().split('\n');
    const labels = new Map(test3.map(line => line.split('\t') as [string, string]));
    for (const [file, label] of labels) {
      const image = file.slice(0, file.indexOf('.'));
      expect(label).toBe(prepared.stages.get(image)! > 3 ? '1' : '0');
      expect(VERSIONS.every(version => labels.has(`${image}.${version}.png`))).toBe(true);
    }
  });

  test("is taken by Caffe's own tool, list by list", async () => {
    for (const list of ['split-0/train', 'split-1/val', 'split-3/test']) {
      const lines = (await readFile(join(folder, `${list}.tsv`), 'utf8')).trimEnd().split('\n');
      let processed = 0;
      const errors: string[] = [];
      await runCaffe('convert_imageset', ['--backend=lmdb', 'images/', `${list}.txt`, `../${list.replace('/', '-')}`], {
        caffe: await testCaffe(),
        cwd: folder,
        signal: new AbortController().signal,
        onEvent: event => {
          if (event.kind === 'processed') processed = event.files;
          if (event.kind === 'error') errors.push(event.message);
        },
      });
      expect(errors).toEqual([]);
      expect(processed).toBe(lines.length);
    }
  });
});

test('the run of an out folder needs no name; an empty folder is as good as none', async () => {
  await mkdir(folderOf('out'));
  await writeFile(join(folderOf('out'), 'state.json'), JSON.stringify({ run: RUN, store: services.store.url }));
  await mkdir(folderOf('empty'));
  const { code, said } = await digits('empty', '--out', folderOf('out'));
  expect(code, said).toBe(0);
  expect((await readdir(folderOf('empty'))).sort()).toEqual(['images', 'split-0', 'split-1', 'split-2', 'split-3']);
});

test('an export that was killed leaves nothing that looks whole; the next one clears up after it', async () => {
  const tar = join(services.folder, 'store', PREPARE, 'shard-001.tar');
  await rename(tar, `${tar}.kept`);
  // Whoever reads it waits for ever: the export stands still with half of its pictures written.
  await promisify(execFile)('mkfifo', [tar]);
  const command = retinopathy(['export', 'digits', folderOf('half'), ...named()]);
  const making = async () => (await readdir(services.folder)).filter(name => name.startsWith('.half.export~'));
  await eventually('some pictures to be written', 30, async () => {
    const [name] = await making();
    return name && (await readdir(join(services.folder, name, 'images')).catch(() => [])).length > 0;
  });
  command.killGroup('SIGKILL');
  await command.exited;
  expect(await readdir(services.folder)).not.toContain('half');
  expect(await making()).toHaveLength(1);

  await rename(`${tar}.kept`, tar);
  const { code, said } = await digits('half', ...named());
  expect(code, said).toBe(0);
  expect(await making()).toEqual([]);
  expect(said).toContain(`${(await readdir(join(folderOf('half'), 'images'))).length} pictures and the lists of four`);
});

describe('refused with one line', () => {
  const cases: [string, () => Promise<{ code: number | null; said: string }>, RegExp][] = [
    [
      'a folder in use',
      async () => {
        await mkdir(folderOf('used'));
        await writeFile(join(folderOf('used'), 'mine.txt'), 'x');
        return digits('used', ...named());
      },
      /^retinopathy: Expected .*used to be new or an empty folder, got one in use: remove it, or take another$/,
    ],
    [
      'a file',
      async () => {
        await writeFile(folderOf('file'), 'x');
        return digits('file', ...named());
      },
      /^retinopathy: Expected .*file to be new or an empty folder/,
    ],
    [
      'an unknown run',
      () => digits('none', '--run', 'other', '--store', services.store.url),
      /^retinopathy: Expected a run other in file:.*, got none$/,
    ],
    [
      'a run that is not as far',
      () => digits('none', '--run', 'young', '--store', services.store.url),
      /^retinopathy: Expected run young to have finished its label stage, got one under way: let it go on first$/,
    ],
    [
      'no run at all',
      () => digits('none', '--out', folderOf('nowhere')),
      /^retinopathy: Expected --out .*nowhere to be the folder of a run, got none: name it, or give --run and --store$/,
    ],
  ];
  test.each(cases)('%s', async (_, act, line) => {
    const { code, said } = await act();
    expect(code).toBe(1);
    expect(said).toMatch(line);
    expect(await readdir(services.folder)).not.toContain('none');
  });
});
