/** What reads the artifacts of a finished run, each as a function to something that can be compared. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createImageActivities } from '../../activities/images/index.ts';
import type { PreparedShard } from '../../activities/images/types.ts';
import { createLabelActivities } from '../../activities/labels/index.ts';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import { epochSnapshots, readJudgement } from '../../activities/training/epoch-snapshots.ts';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { ratesOfRun } from '../../cli/estimate/rates.ts';
import { look } from '../../cli/gc/sweep.ts';
import { chooseRun } from '../../cli/local/resolve-run.ts';
import { copyReport } from '../../cli/results/copy-report.ts';
import { writeDigitsFolder } from '../../cli/results/digits-folder.ts';
import { finalStageOf } from '../../inference/explain/final-stage.ts';
import { readPictures, wayOf } from '../../inference/explain/lineage.ts';
import { placeNetwork, readTrainedRun, type TrainedRun, trainingArgsOf } from '../../inference/trained-run.ts';
import { writeWebDataset } from '../../inference/webdataset.ts';
import { cachedFile } from '../../storage/cache.ts';
import { sha256 } from '../../storage/checksum.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import { inActivity } from '../support/activity.ts';
import type { TestServices } from '../support/services.ts';

export type Reader = (folder: string) => Promise<unknown>;

/** A stage of the same name beside the run's own. */
const OTHER = 'ffffffffffffffff';

/**
 * @param services whose store has the run
 * @param image an eye of the run that no network trained on
 */
export function readersOf(services: TestServices, run: string, image: string): Record<string, Reader> {
  const { store } = services;
  const { signal } = new AbortController();
  const chosen = async () => (await chooseRun({ run, store: store.url, out: services.folder })).record;
  const trained = async (): Promise<TrainedRun> => readTrainedRun(store, await chosen());
  const stages = async () => {
    const record = await chosen();
    const prefix = (name: string) => `stages/${record.stages[name]!.stage}/${record.stages[name]!.key}`;
    return { input: record.input, prefix };
  };
  const download = async () => {
    const { prefix } = await stages();
    const { outputs } = await needManifest(store, prefix('download'));
    const parts = Object.entries(outputs)
      .filter(([name]) => /\.\d{3}$/.test(name))
      .map(([name, artifact]) => ({ name, offset: 0, ...artifact }));
    return { parts, labels: outputs['labels.csv']! };
  };
  /** A place for a stage that is made beside the run's own. */
  const beside = async (stage: string) => {
    await rm(join(services.folder, 'store/stages', stage, OTHER), { recursive: true, force: true });
    return `stages/${stage}/${OTHER}`;
  };

  return {
    report: async folder => {
      await copyReport(store, run, folder);
      return contents(folder);
    },
    explain: async () => {
      const run = await trained();
      const { archive, ...way } = await wayOf(store, run, image);
      const pictures = await readPictures(store, run.prefixes.prepare!, [image], run.input.images.versions);
      const final = await finalStageOf(store, run, image, async () => []);
      return [way, archive.crc32, final, pictures.map(({ bytes }) => sha256(bytes))];
    },
    epochs: async () => {
      const run = await trained();
      const [network] = run.networks as [TrainedRun['networks'][number]];
      const snapshots = await epochSnapshots(store, network.inputs, trainingArgsOf(run, network), 1);
      return Promise.all(snapshots.map(({ snapshot }) => readJudgement(store, network.inputs, snapshot)));
    },
    predict: async folder => {
      for (const network of (await trained()).networks) {
        await placeNetwork(store, network, join(folder, network.name), join(folder, 'mean'));
      }
      return contents(folder);
    },
    webdataset: async folder => {
      const { input, prefix } = await stages();
      const job = { store, input, prepare: prefix('prepare'), label: prefix('label'), fold: 'test', folder } as const;
      await writeWebDataset({ ...job, signal, onProgress: () => {} });
      return contents(folder);
    },
    digits: async folder => {
      const { prefix } = await stages();
      const job = { prepare: prefix('prepare'), label: prefix('label'), folder: join(folder, 'digits') };
      await writeDigitsFolder(store, { ...job, signal, onProgress: () => {} });
      return contents(job.folder);
    },
    prepare: async () => {
      const [{ parts, labels }, { input }] = [await download(), await stages()];
      const { archive, images } = input;
      const prefix = await beside('prepare');
      const { openArchive, unzipAndAugment, closeShards } = createImageActivities(services);
      const opened = await inActivity(() => openArchive({ prefix, parts, labels, archive, images }));
      const { directory } = opened;
      const shards: PreparedShard[] = [];
      for (let shard = 0; shard < opened.shards; shard++) {
        shards.push(await inActivity(() => unzipAndAugment({ prefix, parts, directory, images, shard })));
      }
      const closed = await inActivity(() => closeShards({ prefix, parts, images, archive: opened, shards }));
      return [opened, shards.map(({ tar, index }) => [tar, index]), closed];
    },
    label: async () => {
      const [{ labels }, { input, prefix: own }] = [await download(), await stages()];
      const { folds, images, training } = input;
      const [prefix, prepare] = [await beside('label'), own('prepare')];
      const { assignFolds, sumPictures } = createLabelActivities(services);
      const assigned = await inActivity(() => assignFolds({ prefix, prepare, labels, folds, images, training }));
      const { plan } = assigned;
      const { sum } = await inActivity(() => sumPictures({ prefix, prepare, plan, part: 0, parts: 1 }));
      return [assigned, sum];
    },
    train: async folder => {
      const run = await trained();
      const [network] = run.networks as [TrainedRun['networks'][number]];
      const { databases, mean } = network.inputs;
      for (const artifact of [...databases.values(), mean]) await cachedFile(store, folder, artifact);
      const snapshots = await epochSnapshots(store, network.inputs, trainingArgsOf(run, network), 1);
      const segments = network.inputs.chain.databases.length;
      const prefix = await beside('train');
      const { collectCurves } = createTrainingActivities(services);
      const results = { segments, rates: [], evaluations: [], best: snapshots[0]!.snapshot, drop: [] };
      const place = { ...trainingArgsOf(run, network), prefix, ...results };
      return [await inActivity(() => collectCurves(place)), Object.values(await contents(folder)).sort()];
    },
    regress: async () => {
      const { input, prefix: own } = await stages();
      const prefix = await beside('regress');
      const trainings = [own('train-four-heads')];
      const { fitRegression } = createRegressionActivities(services);
      return inActivity(() => fitRegression({ run, prefix, label: own('label'), trainings, input }));
    },
    plan: async () => ratesOfRun(store, run),
    gc: async () => {
      const { leftovers } = await look(store, { before: Date.now() + 60_000, forget: new Set() });
      // What another reader of a damaged object left half made is no matter here.
      return leftovers.filter(({ keys }) => !keys.some(key => key.includes(OTHER)));
    },
  };
}

/** Digests of all files below the folder, by their path. */
async function contents(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(entry => entry.isFile()).map(entry => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.sort().map(async file => [file.slice(folder.length), sha256(await readFile(file))] as const),
    ),
  );
}

/** Runs a reader in a folder of its own. @returns `same`, or what it says; @throws what is no statement for a person */
export async function outcome(reader: Reader, folder: string, expected: unknown): Promise<string> {
  const own = await mkdtemp(join(folder, 'reading-'));
  try {
    const got = await reader(own);
    return JSON.stringify(got) === JSON.stringify(expected) ? 'same' : 'OTHER FIGURES';
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  } finally {
    await rm(own, { recursive: true, force: true });
  }
}
