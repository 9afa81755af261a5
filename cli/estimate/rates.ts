/** Time that a machine needs for a unit of each kind of work, and disk space that it takes; from an earlier run. */
import { availableParallelism } from 'node:os';
import { readRecord, readStages } from '../../activities/run/records.ts';
import type { StageRecord } from '../../activities/run/types.ts';
import { wasOnCard } from '../../activities/training/segment-manifest.ts';
import type { EvaluatedSnapshot } from '../../activities/training/types.ts';
import { recordsPerIteration } from '../../config/training.ts';
import { getJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { ArtifactStore } from '../../storage/store.ts';

/** Rates of a machine. Unless stated otherwise, seconds are those of one worker slot. */
export interface Rates {
  /** Display text of the source of these rates. */
  from: string;
  /** Hardware of the training. `iteration` and all that derives from it are seconds of a GPU, or of a core. */
  trainedOn: 'cpu' | 'gpu';
  /** Side in pixels of the images that the byte counts below refer to. */
  size: number;
  /** Wall-clock seconds to draw a synthetic eye, by the whole machine. */
  drawing: number;
  /** Bytes per second from the source, by the whole machine. */
  download: number;
  /** Seconds to unzip an image and make its versions. */
  preparing: number;
  /** Wall-clock seconds per record of the databases, by the whole machine. */
  labelling: number;
  iteration: number;
  /** Seconds of each segment outside its iterations. */
  aroundSegment: number;
  judging: { record: number; around: number };
  /** Seconds that a GPU is idle between two tasks. */
  turnover: number;
  /** Wall-clock seconds per image of the regression and the report, beside one second for any number. */
  regression: number;
  bytes: { version: number; record: number; pair: number; aroundSegment: number };
}

/** Derives the rates from a finished run. @throws Error with a one-line message when the run does not exist or is not finished */
export async function ratesOfRun(store: ArtifactStore, run: string): Promise<Rates> {
  const record = await readRecord(store, run);
  if (!record) throw new Error(`Expected a run ${run} in ${store.url}, got none`);
  const stages = await readStages(store, run);
  const manifestOf = async (stage: string): Promise<Manifest> => {
    const opened = stages.find(entry => entry.stage === stage);
    const manifest = opened && (await getJson<Manifest>(store, `stages/${stage}/${opened.key}/manifest.json`));
    if (manifest) return manifest;
    throw new Error(
      `Expected ${stage} of run ${run} to be finished in ${store.url}, got no manifest: take another run`,
    );
  };
  const { images, training, source } = record.input;
  const [download, prepare, label, regress] = await Promise.all(
    ['download', 'prepare', 'label', 'regress'].map(manifestOf),
  );
  const drawn = source === 'synthetic' ? await manifestOf('synthetic') : undefined;
  const count = (manifest: Manifest | undefined, name: string) => manifest?.counts[name] ?? 0;
  const stored = (manifest: Manifest | undefined) =>
    Object.values(manifest?.outputs ?? {}).reduce((sum, { size }) => sum + size, 0);
  const versions = count(prepare, 'pictures') * images.versions.length;

  const segments: Manifest[] = [];
  const judgings: EvaluatedSnapshot[] = [];
  let around = 0;
  const { key: labelKey } = stages.find(entry => entry.stage === 'label')!;
  for await (const { key, size } of store.list('stages/segment/')) {
    if (key.endsWith('/manifest.json')) {
      const manifest = await getJson<Manifest>(store, key);
      if (manifest?.inputs.label === `stages/label/${labelKey}`) segments.push(manifest);
    } else if (/\/evaluation-[^/]+\.json$/.test(key)) {
      const judged = await getJson<EvaluatedSnapshot>(store, key);
      if (judged) judgings.push(judged);
    }
    if (!/\.(caffemodel|solverstate)$/.test(key)) around += size;
  }
  const [first] = segments;
  if (!first)
    throw new Error(`Expected run ${run} to have trained segments in ${store.url}, got none: take another run`);
  const iterations =
    (segments.length * (count(label, 'records') - heldOut(label!, images.versions.length))) /
    (recordsPerIteration(training) * count(label, 'databases') - 2 * recordsPerIteration(training));
  const caffe = segments.reduce((sum, manifest) => sum + count(manifest, 'caffeSeconds'), 0);
  const seconds = segments.reduce((sum, manifest) => sum + manifest.seconds, 0);
  const validation = versionsOf('validation', label!, images.versions.length);
  const judgedRecords = judgings.reduce((sum, { training }) => sum + validation + training.records, 0);
  const judged = judgings.reduce((sum, judging) => sum + judging.seconds, 0) / Math.max(1, judgedRecords);
  const trained = await trainingsOf(store, stages);
  const tasks = segments.length + judgings.length + 2 * trained.length;
  // A training is scored once on the validation fold, and once on the test fold.
  const held = seconds + judged * (judgedRecords + trained.length * heldOut(label!, images.versions.length));
  const slots = Math.min(availableParallelism(), trained.length);
  const pair = ['caffemodel', 'solverstate'].reduce((sum, name) => sum + (first.outputs[name]?.size ?? 0), 0);
  return {
    from: `run ${run}`,
    trainedOn: segments.every(({ parameters }) => wasOnCard((parameters as { arithmetic?: unknown }).arithmetic))
      ? 'gpu'
      : 'cpu',
    size: images.size,
    drawing: drawn ? drawn.seconds / Math.max(1, count(drawn, 'pictures')) : 0,
    download: stored(download) / Math.max(0.001, download!.seconds),
    preparing:
      (count(prepare, 'unzipSeconds') + count(prepare, 'augmentSeconds')) / Math.max(1, count(prepare, 'pictures')),
    labelling: label!.seconds / Math.max(1, count(label, 'records')),
    iteration: (caffe || seconds) / iterations,
    aroundSegment: caffe ? (seconds - caffe) / segments.length : 0,
    judging: { record: judged, around: 0 },
    turnover: Math.max(0, slots * Math.max(...trained) - held) / tasks,
    regression: Math.max(0, regress!.seconds - 1) / Math.max(1, count(prepare, 'pictures')),
    bytes: {
      version: stored(prepare) / Math.max(1, versions),
      record: stored(label) / Math.max(1, count(label, 'records')),
      pair,
      aroundSegment: around / segments.length,
    },
  };
}

/** Returns the wall-clock seconds of each training. */
async function trainingsOf(store: ArtifactStore, stages: readonly StageRecord[]): Promise<number[]> {
  const trainings = stages.filter(({ stage }) => stage === 'train');
  const manifests = await Promise.all(
    trainings.map(({ key }) => getJson<Manifest>(store, `stages/train/${key}/manifest.json`)),
  );
  return manifests.map(manifest => manifest?.seconds ?? 0);
}

const versionsOf = (fold: 'validation' | 'test', { counts }: Manifest, versions: number) =>
  (counts[`${fold}Eyes`] ?? 0) * versions;

const heldOut = (label: Manifest, versions: number) =>
  versionsOf('validation', label, versions) + versionsOf('test', label, versions);
