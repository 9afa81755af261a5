/** Reads files of finished stages, for the regression and the report. */
import { getArtifact } from '../../storage/artifacts.ts';
import { needManifest, readManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { finalFailure, finalWhere } from '../failures.ts';
import { parseQuarantine } from '../images/quarantine.ts';
import { readIndexes } from '../images/read-shards.ts';
import type { QuarantinedEntry } from '../images/types.ts';
import { InconsistentScores } from './eyes.ts';

/**
 * Reads a file of a finished stage by name.
 * @param prefix `stages/<stage>/<key>`
 * @throws CorruptObject, also when the stage is not finished; final `BadInput` when the stage has no such file
 */
export async function readOutput(store: ArtifactStore, prefix: string, name: string): Promise<Buffer> {
  const { outputs } = await needManifest(store, prefix);
  const artifact = outputs[name];
  if (artifact) return getArtifact(store, artifact);
  const found = Object.keys(outputs).join(', ');
  throw finalFailure('BadInput', `Expected ${prefix} to hold ${name}, got ${found}. Run its stage first`);
}

/** Returns the `stages/prepare/<key>` that the stage `stages/label/<key>` has read; undefined where its manifest names none. */
async function preparedFor(store: ArtifactStore, label: string): Promise<string | undefined> {
  const { prepare } = (await needManifest(store, label)).inputs;
  return prepare === undefined ? undefined : `stages/prepare/${prepare}`;
}

/** Reads the perceptual hashes by image from the indexes of the shards; empty where the images were prepared without hashes. */
export async function readHashes(store: ArtifactStore, label: string): Promise<Map<string, string>> {
  const stage = await preparedFor(store, label);
  const indexes = stage === undefined ? [] : await readIndexes(store, stage);
  return new Map(
    indexes.flatMap(({ index }) =>
      index.pictures.flatMap(({ image, hash }) => (hash === undefined ? [] : [[image, hash]])),
    ),
  );
}

/** Reads quarantine.jsonl; empty also where the prepare stage is not in the store. */
export async function readQuarantine(store: ArtifactStore, label: string): Promise<QuarantinedEntry[]> {
  const stage = await preparedFor(store, label);
  if (stage === undefined || (await readManifest(store, stage)) === undefined) return [];
  return parseQuarantine((await readOutput(store, stage, 'quarantine.jsonl')).toString('utf8'));
}

/** Runs `work` and turns `InconsistentScores` into a final failure, as no retry resolves a contradiction between stored files. */
export function asFinal<Result>(work: () => Promise<Result>): Promise<Result> {
  return finalWhere(InconsistentScores, 'Defect', work, ', though each is as it was stored: please report it');
}
