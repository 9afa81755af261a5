/** What the networks of an eye's four predictions were after each epoch, as far as their snapshots are still there. */

import { readManifest } from '../../activities/regression/stored-files.ts';
import { epochSnapshots, type GivenRates, readJudgement } from '../../activities/training/epoch-snapshots.ts';
import { readSegment } from '../../activities/training/segment-record.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type TrainedNetwork, type TrainedRun, trainingArgsOf } from '../trained-run.ts';

export interface NetworkEpoch {
  epoch: number;
  /** Key of the segment at its end. */
  snapshot: string;
  /** On the validation fold, one for each head; null where one class is missing or nobody judged. */
  auc: (number | null)[];
  /** The network with the weights of this epoch; null where retention has removed them. */
  network: TrainedNetwork | null;
}

/** The epochs of a network, from the first. */
export async function epochsOf(
  store: ArtifactStore,
  trained: TrainedRun,
  network: TrainedNetwork,
): Promise<NetworkEpoch[]> {
  const manifest = (await readManifest(store, trained.prefixes[network.name]!))!;
  const { rates } = manifest.parameters as { rates?: GivenRates };
  const args = trainingArgsOf(trained, network);
  const snapshots = await epochSnapshots(store, network.inputs, args, manifest.counts.epochs ?? network.epoch, rates);
  return Promise.all(
    snapshots.map(async ({ epoch, snapshot, kept }): Promise<NetworkEpoch> => {
      const judged = await readJudgement(store, network.inputs, snapshot);
      const segment = kept ? await readSegment(store, snapshot) : undefined;
      return {
        ...{ epoch, snapshot, auc: judged?.auc ?? network.heads.map(() => null) },
        network: segment ? { ...network, epoch, snapshot, weights: segment.model } : null,
      };
    }),
  );
}
