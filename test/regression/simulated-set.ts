/** A set of eyes whose networks' probabilities have a known quality, in a store as the stages before the regression leave it. */

import sharp from 'sharp';
import type { ShardIndex } from '../../activities/images/types.ts';
import type { FitArgs, FittedRegression } from '../../activities/regression/types.ts';
import type { ReportArgs } from '../../activities/report/types.ts';
import type { RunRecord } from '../../activities/run/types.ts';
import { splitName } from '../../config/grades.ts';
import { type PartialPipelineInput, type PipelineInput, pipelineInputSchema } from '../../config/input.ts';
import { seededRandom } from '../../lib/random.ts';
import { bytesArtifact } from '../../storage/artifacts.ts';
import { crc32c, sha256 } from '../../storage/checksum.ts';
import { putJson } from '../../storage/documents.ts';
import type { Manifest, StageFolder } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';

export interface SimulatedSet {
  patients: number;
  seed: number;
  /** Shares of the stages 0–4. */
  stages?: number[];
  /** Distance between stages in standard deviations of what a network sees: 0 is chance. */
  quality?: number;
  input?: PartialPipelineInput;
  /** Gives the level a patient's eye has instead of the drawn one. */
  levels?: (level: number, fold: string) => number;
  /** Whether the pictures have perceptual hashes: one each by default; with `twins` the last training and the last test patient's are the same. */
  hashes?: 'none' | 'twins';
}

const EVEN = [0.3, 0.2, 0.2, 0.15, 0.15];
const VERSIONS = ['a', 'r', 'fa', 'fr'];

/** Writes folds, scores, curves, manifests and run.json. */
export async function writeSimulatedSet(
  store: ArtifactStore,
  set: SimulatedSet,
): Promise<{ fit: FitArgs; report: ReportArgs; input: PipelineInput }> {
  const input = pipelineInputSchema.parse(set.input ?? {});
  const heads = input.training.layout === 'four-heads' ? [[0, 1, 2, 3]] : [[0], [1], [2], [3]];
  const next = seededRandom(set.seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
  const shares = set.stages ?? EVEN;
  const byRecord = input.folds.unit === 'record';
  const folds = [`image,patient,level,fold${byRecord ? ',version' : ''}\n`];
  const scores = heads.map(ks => [`image,version,level,fold,${ks.map(k => `p${k}`).join(',')}\n`]);
  const pictures: { image: string; fold: string; hash?: string; versions: ShardIndex['pictures'][0]['versions'] }[] =
    [];
  // One picture stands for all: every index entry points at it.
  const png = await sharp({ create: { width: 32, height: 32, channels: 3, background: '#a53' } })
    .png()
    .toBuffer();
  const versions = Object.fromEntries(VERSIONS.map(version => [version, { offset: 0, size: png.length }]));
  const foldOf = (at: number) => (at < 0.7 ? 'train' : at < 0.85 ? 'validation' : 'test');
  for (let patient = 1; patient <= set.patients; patient++) {
    const fold = foldOf(next());
    const severity = next();
    for (const side of ['left', 'right']) {
      let at = next() < 0.85 ? severity : next();
      let level = shares.findIndex(share => {
        at -= share;
        return at < 0;
      });
      if (level < 0) level = 4;
      level = set.levels?.(level, fold) ?? level;
      const image = `${patient}_${side}`;
      pictures.push({ image, fold, versions, ...(set.hashes !== 'none' && { hash: sha256(image) }) });
      if (!byRecord) folds.push(`${image},${patient},${level},${fold}\n`);
      const seen = [0, 1, 2, 3].map(() => level + (normal() * 1.1) / (set.quality ?? 1));
      for (const version of VERSIONS) {
        const own = byRecord ? foldOf(next()) : fold;
        if (byRecord) folds.push(`${image},${patient},${level},${own},${version}\n`);
        if (own === 'train') continue;
        const p = seen.map((x, k) => 1 / (1 + Math.exp(-1.7 * (x + normal() * 0.2 - k - 0.5))));
        heads.forEach((ks, i) => {
          scores[i]!.push(`${image},${version},${level},${own},${ks.map(k => p[k]!.toFixed(7)).join(',')}\n`);
        });
      }
    }
  }
  const stages: RunRecord['stages'] = {};
  const finish = async (
    name: string,
    stage: StageFolder,
    key: string,
    files: Record<string, string | Buffer>,
    counts: Record<string, number>,
    inputs: Manifest['inputs'] = {},
  ) => {
    const outputs: Manifest['outputs'] = {};
    for (const [file, content] of Object.entries(files)) {
      const bytes = Buffer.from(content as string);
      outputs[file] = { key: `stages/${stage}/${key}/${file}`, size: bytes.length, crc32c: crc32c(bytes) };
      await store.put(outputs[file].key, bytes);
    }
    const manifest: Manifest = {
      schemaVersion: 1,
      stage,
      key,
      recipe: 1,
      inputs,
      parameters: {},
      outputs,
      counts,
      seconds: 10,
    };
    await putJson(store, `stages/${stage}/${key}/manifest.json`, manifest);
    const state = { stage, key, reused: false, reason: '', seconds: 10, finished: true };
    stages[name] = state;
    const entry = { run: 'simulated', name, recipe: 1, inputs, parameters: {}, ...state };
    await putJson(store, `runs/simulated/stages/${name}.json`, entry);
    return `stages/${stage}/${key}`;
  };
  await finish('download', 'download', '00', {}, { parts: 5, bytes: 12_345_678, labels: set.patients * 2 });
  if (set.hashes === 'twins') {
    for (const side of ['_left', '_right']) {
      const last = (fold: string) => pictures.findLast(one => one.fold === fold && one.image.endsWith(side))!;
      last('train').hash = last('test').hash!;
    }
  }
  const index = { tar: 'stages/prepare/11/shard-000.tar', pictures: pictures.map(({ fold, ...picture }) => picture) };
  await finish(
    'prepare',
    'prepare',
    '11',
    {
      'shard-000.tar': png,
      'shard-000.index.json': JSON.stringify(index),
      'quarantine.jsonl': `${JSON.stringify({ entry: 'train/0_left<b>.jpeg', image: null, reason: 'Expected a JPEG, got text' })}\n`,
    },
    {
      entries: set.patients * 2 + 1,
      pictures: set.patients * 2,
      quarantined: 1,
      crcErrors: 0,
      bytes: 98_765_432,
      unzipSeconds: 3.2,
      augmentSeconds: 41.8,
      ...{ attempts: 10, attemptsLost: 2, secondsLost: 25.4 },
    },
  );
  const label = await finish(
    'label',
    'label',
    '22',
    { 'folds.csv': folds.join('') },
    { records: set.patients * 8, attempts: 7, attemptsLost: 0, secondsLost: 0 },
    { prepare: '11' },
  );
  const trainings: string[] = [];
  for (const [i, ks] of heads.entries()) {
    const name = ks.length > 1 ? 'train-four-heads' : `train-${'01234'.slice(0, i + 1)}-vs-${'01234'.slice(i + 1)}`;
    const files = { 'scores.csv': scores[i]!.join(''), 'curves.csv': simulateCurves(ks, input.training.epochs) };
    const done = {
      epochs: input.training.epochs,
      iterations: input.training.epochs * 50,
      ...(i === 1 && { attemptsLost: 1, iterationsLost: 25, secondsLost: 12.5 }),
    };
    trainings.push(await finish(name, 'train', `3${i}`, files, done));
  }
  const run = 'simulated';
  const record: RunRecord = {
    schemaVersion: 1,
    run,
    input,
    versions: { retinopathy: '0.1.0', node: '20.20.0', caffe: '1.0.0' },
    createdAt: '2026-01-02T03:04:05.000Z',
    stages,
  };
  await putJson(store, `runs/${run}/run.json`, record);
  const place = { run, prefix: 'stages/regress/44', label, trainings, input };
  const times: Record<string, number> = { download: 4.2, prepare: 48, label: 9.6 };
  return {
    input,
    fit: place,
    report: {
      ...place,
      work: {
        stages: [...Object.keys(stages), 'regress'].map(name => ({
          name,
          seconds: times[name] ?? (name === 'regress' ? 1.4 : 71),
          reused: name === 'download',
        })),
        attempts: 41,
        segmentsTrained: 40,
        segmentsReused: 0,
        segmentsRepeated: 1,
        iterationsLost: 25,
        secondsLost: 12.5,
        splits: [
          {
            ...{ name: 'train-01-vs-234', segmentsTrained: 10, segmentsReused: 0 },
            ...{ segmentsRepeated: 1, iterationsLost: 25, secondsLost: 12.5 },
          },
        ],
      },
      images: { seen: set.patients * 2 + 1, quarantined: 1 },
    },
  };
}

/** Closes the stage of a fitted regression. */
export async function closeRegression(
  store: ArtifactStore,
  { prefix }: FitArgs,
  { regression, predictions, lists }: FittedRegression,
): Promise<void> {
  const outputs = { 'regression.json': regression, 'predictions.csv': predictions, ...lists };
  await putJson(store, `${prefix}/manifest.json`, { outputs, counts: {} }, { overwrite: true });
}

/** Gives a file of a finished stage another content, as if the stage had written that. */
export async function rewriteOutput(
  store: ArtifactStore,
  prefix: string,
  name: string,
  change: (content: string) => string,
): Promise<void> {
  const manifest: Manifest = JSON.parse((await store.get(`${prefix}/manifest.json`)).toString());
  const { key } = manifest.outputs[name]!;
  const bytes = Buffer.from(change((await store.get(key)).toString('utf8')));
  manifest.outputs[name] = bytesArtifact(key, bytes);
  await store.put(key, bytes, { overwrite: true });
  await putJson(store, `${prefix}/manifest.json`, manifest, { overwrite: true });
}

const TIME = '2026-11-22T20:34:37.000Z';

function simulateCurves(heads: readonly number[], epochs: number): string {
  const lines = ['split,epoch,iteration,metric,value,attempt,time'];
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const trunk = heads.length > 1 ? 'four heads' : splitName(heads[0]!);
    // As the account of the work above has it: one segment was trained twice.
    const attempt = heads.includes(1) && epoch === 2 ? 2 : 1;
    for (let step = 1; step <= 10; step++) {
      const at = epoch - 1 + step / 10;
      lines.push(`${trunk},${epoch},${Math.round(at * 50)},loss,${0.25 + 0.45 * Math.exp(-at / 3)},${attempt},${TIME}`);
    }
    for (const k of heads) {
      lines.push(
        `${splitName(k)},${epoch},${epoch * 50},validation auc,${0.93 - 0.4 * Math.exp(-epoch / 2)},1,${TIME}`,
      );
      lines.push(`${splitName(k)},${epoch},${epoch * 50},training auc,${0.98 - 0.4 * Math.exp(-epoch / 2)},1,${TIME}`);
      lines.push(`${splitName(k)},${epoch},${epoch * 50},validation accuracy,0.9,1,${TIME}`);
      lines.push(
        `${splitName(k)},${epoch},${epoch * 50},validation loss,${0.3 + 0.4 * Math.exp(-epoch / 3)},1,${TIME}`,
      );
    }
  }
  return `${lines.join('\n')}\n`;
}
