/** What is done with a finished run: the examples of the help texts, and what they leave behind. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'csv-parse/sync';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds, parsePredictions } from '../../activities/regression/tables.ts';
import { readRecord } from '../../activities/run/records.ts';
import type { Embedded } from '../../cli/local/local-cluster.ts';
import { exportModel } from '../../cli/results/export.ts';
import type { ExpectedEye } from '../../inference/bundle/test-eyes.ts';
import { explainEye } from '../../inference/explain/explain-eye.ts';
import { finalStageOf } from '../../inference/explain/final-stage.ts';
import { predictPhotographs } from '../../inference/predict.ts';
import { readTrainedRun } from '../../inference/trained-run.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { bytesArtifact } from '../../storage/artifacts.ts';
import { getJson, putJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { OPENCV } from '../bench/prepare/clients.ts';
import { type Explained, expectInArtifacts } from '../inference/explained.ts';
import { readPhotographs } from '../scoring/own-pictures.ts';
import { testCaffe } from '../support/caffe.ts';
import { expectExample } from '../support/example-cases.ts';
import { type HelpExample, helpExamples, retinopathyIn, runExample } from '../support/help-examples.ts';
import { pythonWith } from '../support/python-environment.ts';
import { TINY } from '../support/tiny.ts';

export interface FinishedRun {
  /** Holds the run's out folder as `run`. */
  folder: string;
  store: ArtifactStore;
  run: string;
  embedded: Embedded;
}

/** What holds the out folder for as long as it runs, needs a competition, or has a test of its own below. */
const STARTED_ELSEWHERE = ['run', 'ui', 'score', 'fork', 'submit', 'explain'];

export function describeUses(finished: () => Promise<FinishedRun>): void {
  describe('what is done with it', () => {
    let at: FinishedRun;
    const own = new Map<string, number[]>();
    const numbers = (eye: { p: number[]; expected: number; predicted: number }) => [
      ...[...eye.p, eye.expected],
      eye.predicted,
    ];
    const predictionsOf = async (run: string) =>
      parsePredictions(await at.store.get(`runs/${run}/report/predictions.csv`)).filter(({ fold }) => fold === 'test');

    beforeAll(async () => {
      at = await finished();
      for (const eye of await predictionsOf(at.run)) own.set(eye.image, numbers(eye));
      const { stages } = (await readRecord(at.store, at.run))!;
      await mkdir(join(at.folder, 'photographs'));
      const photographs = await readPhotographs(at.store, `stages/download/${stages.download!.key}`, [...own.keys()]);
      const left = photographs.find(([image]) => image.endsWith('_left') && own.has(image.replace('left', 'right')))!;
      for (const [image, jpeg] of photographs) {
        await writeFile(join(at.folder, 'photographs', `${image}.jpeg`), jpeg);
        if (image === left[0]) await writeFile(join(at.folder, '10_left.jpeg'), jpeg);
        if (image === left[0].replace('left', 'right')) await writeFile(join(at.folder, '10_right.jpeg'), jpeg);
      }
    });

    test('the examples of the help texts run', async () => {
      const meanings = {
        'dr-2026-11': at.run,
        slower: `${at.run}-again`,
        '127.0.0.1:7233': at.embedded.address,
        '10m': '1s',
      };
      const here = helpExamples().filter(({ command }) => !STARTED_ELSEWHERE.includes(command));
      const run = async (example: HelpExample) => {
        await expectExample(example.command, await runExample(example, { cwd: at.folder, meanings }), at.folder);
      };
      await Promise.all(here.map(run));
    }, 180_000);

    test('predict gives every test eye what predictions.csv says; a bad picture has a line with its reason', async () => {
      await writeFile(join(at.folder, 'photographs', '0, cut short_left.jpg'), Buffer.from('ffd8ffe0', 'hex'));
      await writeFile(join(at.folder, 'photographs', 'notes.txt'), '');
      const { code, said, stdout } = await retinopathyIn(at.folder, ['predict', 'photographs']);
      expect(code, said).toBe(3);
      expect(said).toContain(`${own.size} of ${own.size + 1} photographs predicted`);
      expect(said).toContain('Not a medical device');
      const rows = parse(stdout, { columns: true }) as Record<string, string>[];
      const [bad, ...good] = rows;
      expect(bad).toMatchObject({ file: 'photographs/0, cut short_left.jpg', expected: '' });
      expect(bad!.reason).toMatch(/^Expected a JPEG that can be decoded/);
      expect(good.map(({ file }) => file)).toEqual([...own.keys()].map(image => `photographs/${image}.jpeg`));
      for (const row of good) {
        const known = own.get(row.file!.slice('photographs/'.length, -'.jpeg'.length))!;
        const said = ['p0', 'p1', 'p2', 'p3', 'expected', 'predicted'].map(name => Number(row[name]));
        for (const [i, value] of said.entries()) expect(Math.abs(value - known[i]!)).toBeLessThan(1e-6);
        const stages = [0, 1, 2, 3, 4].map(stage => Number(row[`stage${stage}`]));
        expect(stages.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 12);
        expect([row.fellow, row.reason]).toEqual(['no', '']);
      }
    }, 120_000);

    test('both eyes of a patient are seen together where the run has such a regression, and one alone lends its own', async () => {
      const run = `${at.run}-both`;
      await at.embedded.client.workflow.execute('retinopathyPipeline', {
        ...{ workflowId: run, taskQueue: 'retinopathy' },
        args: [{ ...TINY, regression: { fellowEye: true, spread: true } }],
      });
      const photograph = (image: string) => ({ file: join(at.folder, 'photographs', `${image}.jpeg`), image });
      const known = new Map((await predictionsOf(run)).map(eye => [eye.image, numbers(eye)]));
      const left = [...known.keys()].find(
        image => image.endsWith('_left') && known.has(image.replace('left', 'right')),
      )!;
      const right = left.replace('left', 'right');
      const other = [...known.keys()].find(image => image.endsWith('_left') && image !== left)!;
      const predictions = await predictPhotographs({
        ...{ store: at.store, trained: await readTrainedRun(at.store, (await readRecord(at.store, run))!) },
        ...{ caffe: await testCaffe(), scratch: at.folder, signal: new AbortController().signal },
        photographs: [left, right, other].map(photograph),
        onProgress: () => {},
      });
      expect(predictions.map(each => 'eye' in each && each.fellow)).toEqual([true, true, false]);
      const values = predictions.map(each => ('eye' in each ? numbers(each.eye) : []));
      // Other pictures stand beside them in their batch: the last of the six digits that Caffe prints may differ.
      for (const [i, image] of [left, right].entries()) {
        for (const [n, value] of values[i]!.entries()) expect(value).toBeCloseTo(known.get(image)![n]!, 4);
      }
      expect(values[2]!.slice(0, 4).map(p => p.toFixed(4))).toEqual(
        known
          .get(other)!
          .slice(0, 4)
          .map(p => p.toFixed(4)),
      );
      expect(Math.abs(values[2]![4]! - known.get(other)![4]!)).toBeGreaterThan(1e-4);

      const trained = await readTrainedRun(at.store, (await readRecord(at.store, run))!);
      const { fellow, features, intercept, ...final } = await finalStageOf(at.store, trained, left, async () => []);
      expect([fellow, numbers(final)]).toEqual([right, known.get(left)]);
      expect(features.filter(({ name }) => name.startsWith('fellow.')).map(({ value }) => value)).toEqual(
        known.get(right)!.slice(0, 4),
      );
      expect(features.reduce((sum, { share }) => sum + share, intercept)).toBeCloseTo(final.expected, 12);
    }, 120_000);

    test('every figure of explain is found again in the artifacts', async () => {
      const [image] = [...own.keys()] as [string];
      const ended = await retinopathyIn(at.folder, ['explain', image, '--run', './run', '--to', './explained']);
      expect(ended.code, ended.said).toBe(0);
      const said = JSON.parse(await readFile(join(at.folder, 'explained', `${image}.json`), 'utf8')) as Explained;
      await expectInArtifacts(at, image, said);
      expect([...said.final.p, said.final.expected, said.final.predicted]).toEqual(own.get(image));
      expect(said.final.from).toBe('stored');
      for (const { k, best, epochs } of said.splits) {
        expect(Math.abs(epochs[best - 1]!.p! - said.final.p[k]!)).toBeLessThan(1e-4);
      }
      const picture = await sharp(join(at.folder, 'explained', `${image}.png`)).metadata();
      expect(picture.width).toBeGreaterThan(1000);
      for (const map of said.occlusion!.maps) expect(map.largestFall + map.largestRise).toBeGreaterThan(0);
    }, 60_000);

    test('an eye of the training fold is explained by what the networks say now; another name is refused', async () => {
      const trained = await readTrainedRun(at.store, (await readRecord(at.store, at.run))!);
      const folds = parseFolds(await readOutput(at.store, trained.prefixes.label!, 'folds.csv'));
      const { image } = folds.find(({ fold }) => fold === 'train')!;
      const job = {
        ...{ store: at.store, trained, caffe: await testCaffe(), scratch: at.folder, occlusion: null },
        ...{ signal: new AbortController().signal, onProgress: () => {} },
      };
      const { way, ...explanation } = await explainEye({ ...job, image });
      const said = { ...way, ...explanation, occlusion: null };
      await expectInArtifacts(at, image, said);
      expect(said.final.from).toBe('scored now');
      for (const { k, best, epochs } of said.splits) {
        expect(epochs[best - 1]!.p).toBeCloseTo(said.final.p[k]!, 5);
      }
      await expect(explainEye({ ...job, image: '9999_left' })).rejects.toThrow(
        /^Expected an eye of run .*, as \d+_\w+, got 9999_left: it is not in its archive$/,
      );
    }, 60_000);

    test('a run that was steered by hand is found by its weights as well', async () => {
      const record = (await readRecord(at.store, `${at.run}-steered`))!;
      const { networks } = await readTrainedRun(at.store, record);
      expect(networks.map(({ heads }) => heads)).toEqual([[0], [1], [2], [3]]);
    });

    test('the exported model gives the same probabilities in OpenCV, by the example that stands in the docs', async () => {
      const model = join(at.folder, 'model');
      const files = await readdir(model, { recursive: true });
      expect(files).toEqual(
        expect.arrayContaining(['MODEL.md', 'mean.binaryproto', 'recipe.json', 'regression.json', 'example.py']),
      );
      const eyes = JSON.parse(await readFile(join(model, 'expected.json'), 'utf8')) as ExpectedEye[];
      expect(eyes).toHaveLength(8);
      for (const eye of eyes) expect(numbers(eye)).toEqual(own.get(eye.image));
      expect(await readFile(join(at.folder, 'model', 'networks/train-0-vs-1234.prototxt'), 'utf8')).not.toContain(
        'LMDB',
      );

      const python = await pythonWith(OPENCV);
      const { code, tail } = await runChild([python, 'example.py'], { cwd: model });
      expect(code, tail.join('\n')).toBe(0);
      const said = tail.map(line => line.split(' ')).map(([image, ...p]) => ({ image, p: p.map(Number) }));
      expect(said.map(({ image }) => image)).toEqual(eyes.map(({ image }) => image));
      for (const [i, { p }] of said.entries()) {
        expect(p).toHaveLength(4);
        for (const [k, value] of p.entries()) expect(Math.abs(value - eyes[i]!.p[k]!)).toBeLessThan(1e-4);
      }
      expect(await documented()).toContain(await readFile(join(model, 'example.py'), 'utf8'));
    }, 120_000);

    test('a model that does not say what predictions.csv says is not written', async () => {
      const { stages } = (await readRecord(at.store, at.run))!;
      const prefix = `stages/regress/${stages.regress!.key}`;
      const [key, manifestKey] = [`${prefix}/predictions.csv`, `${prefix}/manifest.json`];
      const [before, manifest] = [await at.store.get(key), (await getJson<Manifest>(at.store, manifestKey))!] as const;
      const changed = Buffer.from(
        before.toString().replaceAll(/,test,0\.(\d)/g, (_, digit) => `,test,0.${(Number(digit) + 1) % 10}`),
      );
      // With a checksum that fits, or it would be refused before anything is computed.
      const outputs = { ...manifest.outputs, 'predictions.csv': bytesArtifact(key, changed) };
      await at.store.put(key, changed, { overwrite: true });
      await putJson(at.store, manifestKey, { ...manifest, outputs }, { overwrite: true });
      try {
        await expect(
          exportModel(join(at.folder, 'refused'), { run: at.run, store: at.store.url, out: at.folder }),
        ).rejects.toThrow(/^Expected \d+_\w+ to be judged as in predictions\.csv of run .* nothing was written$/);
      } finally {
        await at.store.put(key, before, { overwrite: true });
        await putJson(at.store, manifestKey, manifest, { overwrite: true });
      }
      expect((await readdir(at.folder)).filter(name => name.includes('refused'))).toEqual([]);
    }, 60_000);

    test('the exported fold is read by the webdataset package, by the reader that stands in the docs', async () => {
      const tars = join(at.folder, 'tars');
      const python = await pythonWith({
        what: 'webdataset',
        name: 'webdataset-1.0.2',
        requirements: fileURLToPath(new URL('../fixtures/webdataset/requirements.txt', import.meta.url)),
        modules: ['webdataset', 'PIL'],
      });
      const { code, tail } = await runChild([python, 'read.py'], { cwd: tars });
      expect(code, tail.join('\n')).toBe(0);
      const levels = (await predictionsOf(at.run)).map(({ level }) => level);
      const counts = [0, 1, 2, 3, 4].map(stage => 4 * levels.filter(level => level === stage).length);
      expect(tail.at(-1)!.split(' ').map(Number)).toEqual(counts);
      expect(await documented()).toContain(await readFile(join(tars, 'read.py'), 'utf8'));
    }, 120_000);

    test.each(['predictions.csv', 'curves.csv'])('every column of %s is documented', async file => {
      const [header] = (await at.store.get(`runs/${at.run}/report/${file}`)).toString().split('\n');
      const [, section] = (await documented()).split(`\n## ${file}\n`);
      const rows = section!.split('\n## ')[0]!.match(/^\| `.*?(?= \| )/gm)!;
      const columns = rows.flatMap(row => [...row.matchAll(/`(\w+)`/g)].map(([, column]) => column));
      expect(columns.filter(column => column !== 'version')).toEqual(header!.split(','));
    });
  });
}

function documented(): Promise<string> {
  return readFile(new URL('../../docs/outputs.md', import.meta.url), 'utf8');
}
