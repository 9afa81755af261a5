/** Explains how a run grades one of its eyes: lineage, predictions by epoch, contributions to the score, and occlusion maps. */
import sharp from 'sharp';
import { inWorkspace } from '../../activities/dependencies.ts';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { encodePng } from '../../activities/images/png.ts';
import type { ScoreTable } from '../../activities/regression/eyes.ts';
import { readJudgement } from '../../activities/training/epoch-snapshots.ts';
import { readTrained } from '../../activities/training/score-archive.ts';
import { readSegment } from '../../activities/training/segment-manifest.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';
import { placePictures, scorePictures } from '../score-pictures.ts';
import { placeNetwork, type TrainedNetwork, type TrainedRun, UnusableRun } from '../trained-run.ts';
import { type FinalStage, finalStageOf } from './final-stage.ts';
import { type EyesWay, readPictures, type StoredPicture, wayOf } from './lineage.ts';
import { type OcclusionOptions, occluded, occlusionMap, placesOn } from './occlusion.ts';

export interface ExplainJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing folder for temporary files. */
  scratch: string;
  image: string;
  /** Null for no occlusion maps. */
  occlusion: OcclusionOptions | null;
  signal: AbortSignal;
  /** Called with the completed share. */
  onProgress: (share: number) => void;
}

export interface SplitEpochs {
  /** Split of P(grade > k). */
  k: number;
  /** Epoch of its network with the highest AUC on the validation fold. It gives the prediction. */
  best: number;
  epochs: {
    epoch: number;
    /** Key of the segment at the epoch's end: `stages/segment/<key>`. */
    snapshot: string;
    auc: number | null;
    /** Mean over the versions, computed now by Caffe; null where the weights are no longer in the store. */
    p: number | null;
  }[];
}

export interface SplitMap {
  k: number;
  /** P(grade > k) of the uncovered image, for one version. */
  p: number;
  /** Fall of `p` when a pixel is covered, in row-major order; negative where `p` rises. */
  map: Float32Array;
}

export interface Explanation {
  run: string;
  way: EyesWay;
  splits: SplitEpochs[];
  final: FinalStage;
  occlusion: (OcclusionOptions & { version: string; places: number; picture: Bitmap; maps: SplitMap[] }) | null;
}

/** Explains an eye. @throws UnusableRun, CaffeError, NoSpace, the signal's reason */
export async function explainEye(job: ExplainJob): Promise<Explanation> {
  const { store, trained, image, occlusion } = job;
  const way = await wayOf(store, trained, image);
  const { versions } = trained.input.images;
  const pictures = await readPictures(store, trained.prefixes.prepare!, [image], versions);
  const byNetwork = await Promise.all(trained.networks.map(network => epochsOf(store, trained, network)));
  const kept = byNetwork.flat().flatMap(({ network }) => (network ? [network] : []));
  const steps = kept.length * pictures.length;
  const placed = occlusion && (await prepareOcclusion(pictures[0]!, occlusion));
  const whole = steps + (placed ? (placed.places.length + 1) * trained.networks.length : 0);

  const scores = await scored(job, kept, pictures, judged => job.onProgress(judged / whole));
  const splits = splitsOf(trained.networks, byNetwork, kept, scores);
  const final = await finalStageOf(store, trained, image, async images =>
    scoreTables(job, await readPictures(store, trained.prefixes.prepare!, images, versions)),
  );
  const maps = placed && {
    ...{ ...occlusion, version: pictures[0]!.version, places: placed.places.length, picture: placed.picture },
    maps: await occlusionMaps(job, placed, judged => job.onProgress((steps + judged) / whole)),
  };
  return { run: trained.run, way, splits, final, occlusion: maps };
}

type Named = Pick<StoredPicture, 'file' | 'bytes'>;

/** Scores images. @returns P(grade > k) by network, image and head */
function scored(
  { store, trained, caffe, scratch, signal }: ExplainJob,
  networks: readonly TrainedNetwork[],
  pictures: readonly Named[],
  onProgress: (judged: number) => void = () => {},
): Promise<number[][][]> {
  return inWorkspace({ scratch }, 'explain', async folder => {
    await placePictures(folder, pictures);
    return scorePictures({
      ...{ caffe, folder, networks, signal, onProgress, files: pictures.map(({ file }) => file) },
      place: (network, weights, mean) =>
        placeNetwork(store, network, weights, mean).catch(error => {
          const isBest = trained.networks.some(({ snapshot }) => snapshot === network.snapshot);
          if (isBest || !(error instanceof CorruptObject)) throw error;
          const { key } = network.weights;
          throw new UnusableRun(`${error.message}: remove ${key}, an epoch without its weights is left out`);
        }),
    });
  });
}

function splitsOf(
  networks: readonly TrainedNetwork[],
  byNetwork: readonly NetworkEpoch[][],
  kept: readonly TrainedNetwork[],
  scores: readonly number[][][],
): SplitEpochs[] {
  return networks.flatMap(({ heads, epoch: best }, n) =>
    heads.map(
      (k, head): SplitEpochs => ({
        ...{ k, best },
        epochs: byNetwork[n]!.map(({ epoch, snapshot, auc, network }) => {
          const values = network && scores[kept.indexOf(network)]!.map(p => p[head]!);
          const p = values && values.reduce((sum, value) => sum + value, 0) / values.length;
          return { epoch, snapshot, auc: auc[head] ?? null, p };
        }),
      }),
    ),
  );
}

async function scoreTables(job: ExplainJob, pictures: readonly StoredPicture[]): Promise<ScoreTable[]> {
  const { networks } = job.trained;
  const scores = await scored(job, networks, pictures);
  return networks.map(({ name, heads }, n) => ({
    ...{ name, splits: heads },
    // The grade and fold that final-stage.ts also uses for an eye without a stored score.
    rows: pictures.map(({ image, version }, i) => ({ image, version, level: 0, fold: 'test', p: scores[n]![i]! })),
  }));
}

async function prepareOcclusion({ bytes }: StoredPicture, options: OcclusionOptions) {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const picture: Bitmap = { data, width: info.width, height: info.height };
  return { picture, places: placesOn(picture, options), patch: options.patch };
}

type Placed = Awaited<ReturnType<typeof prepareOcclusion>>;

async function occlusionMaps(
  job: ExplainJob,
  { picture, places, patch }: Placed,
  onProgress: (judged: number) => void,
): Promise<SplitMap[]> {
  const copies: Named[] = [{ file: 'whole.png', bytes: await encodePng(picture) }];
  for (const copy of occluded(picture, places, patch)) {
    copies.push({ file: `covered-${copies.length}.png`, bytes: await encodePng(copy) });
  }
  const { networks } = job.trained;
  const scores = await scored(job, networks, copies, onProgress);
  return networks.flatMap(({ heads }, n) =>
    heads.map((k, head): SplitMap => {
      const [p, ...covered] = scores[n]!.map(heads => heads[head]!) as [number, ...number[]];
      const falls = covered.map(without => p - without);
      return { k, p, map: occlusionMap(picture.width, places, falls) };
    }),
  );
}

export interface NetworkEpoch {
  epoch: number;
  /** Key of the segment at the epoch's end. */
  snapshot: string;
  /** AUC on the validation fold for each head; null where one class is missing or the snapshot was not evaluated. */
  auc: (number | null)[];
  /** Network with the weights of this epoch; null where retention has removed them. */
  network: TrainedNetwork | null;
}

/** Returns the epochs of a network, from the first. */
export async function epochsOf(
  store: ArtifactStore,
  trained: TrainedRun,
  network: TrainedNetwork,
): Promise<NetworkEpoch[]> {
  const { segments, counts } = await readTrained(store, trained.prefixes[network.name]!);
  const perEpoch = segments.length / counts.epochs!;
  return Promise.all(
    Array.from({ length: counts.epochs! }, async (_, before): Promise<NetworkEpoch> => {
      const epoch = before + 1;
      const snapshot = segments[epoch * perEpoch - 1]!;
      const judged = await readJudgement(store, network.inputs, snapshot);
      const weights = (await readSegment(store, snapshot))?.model;
      const kept = weights && (await store.head(weights.key));
      return {
        ...{ epoch, snapshot, auc: judged?.auc ?? network.heads.map(() => null) },
        network: kept ? { ...network, epoch, snapshot, weights } : null,
      };
    }),
  );
}
