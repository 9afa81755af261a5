/** Explains what a run says of one of its eyes: its way there, the predictions by epoch, their shares, and what the networks look at. */
import sharp from 'sharp';
import type { Bitmap } from '../../activities/images/bitmap.ts';
import { encodePng } from '../../activities/images/png.ts';
import type { ScoreTable } from '../../activities/regression/eyes.ts';
import type { Caffe } from '../../activities/services.ts';
import { inWorkspace } from '../../activities/training/workspace.ts';
import { getFile } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { placePictures, scorePictures } from '../score-pictures.ts';
import type { TrainedNetwork, TrainedRun } from '../trained-run.ts';
import { epochsOf, type NetworkEpoch } from './epochs.ts';
import { type FinalStage, finalStageOf } from './final-stage.ts';
import { type OcclusionOptions, occluded, occlusionMap, placesOn } from './occlusion.ts';
import { readPictures, type StoredPicture } from './stored-pictures.ts';
import { type EyesWay, wayOf } from './way.ts';

export interface ExplainJob {
  store: ArtifactStore;
  trained: TrainedRun;
  caffe: Caffe;
  /** An existing folder for temporary files. */
  scratch: string;
  image: string;
  /** Null where no map is asked for. */
  occlusion: OcclusionOptions | null;
  signal: AbortSignal;
  /** Called with the share that is done. */
  onProgress: (share: number) => void;
}

export interface SplitEpochs {
  /** P(stage > k). */
  k: number;
  /** Of its network: the epoch with the highest AUC on the validation fold, which gives the prediction. */
  best: number;
  epochs: {
    epoch: number;
    /** Key of the segment at its end: `stages/segment/<key>`. */
    snapshot: string;
    auc: number | null;
    /** Mean over the versions, by Caffe now; null where the snapshot is no longer there. */
    p: number | null;
  }[];
}

export interface SplitMap {
  k: number;
  /** What the network says of the whole picture, one version. */
  p: number;
  /** Fall of `p` where a pixel is covered, row by row; below 0 where it rises. */
  map: Float32Array;
}

export interface Explanation {
  run: string;
  way: EyesWay;
  splits: SplitEpochs[];
  final: FinalStage;
  occlusion: (OcclusionOptions & { version: string; places: number; picture: Bitmap; maps: SplitMap[] }) | null;
}

/** @throws UnusableRun, CaffeError, NoSpace, the signal's reason */
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

/** P(stage > k) of each picture, for each network and its heads. */
function scored(
  { store, caffe, scratch, signal }: ExplainJob,
  networks: readonly TrainedNetwork[],
  pictures: readonly Named[],
  onProgress: (judged: number) => void = () => {},
): Promise<number[][][]> {
  return inWorkspace({ scratch }, 'explain', async folder => {
    await placePictures(folder, pictures);
    return scorePictures({
      ...{ caffe, folder, networks, signal, onProgress, files: pictures.map(({ file }) => file) },
      place: async (network, weights, mean) => {
        await getFile(store, network.weights, weights);
        await getFile(store, network.inputs.mean, mean);
      },
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
    // As final-stage.ts has them: of an eye that nobody has judged before.
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
