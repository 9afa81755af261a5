/** What the store knows of a segment: its manifest, written last, and a journal of the attempts to train it. */
import { getJson, putBytes } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import type { SegmentResult } from './types.ts';

export interface FinishedSegment {
  result: Omit<SegmentResult, 'reused'>;
  model: Artifact;
  state: Artifact;
  curve: Artifact;
}

export function segmentPrefix(key: string): string {
  return `stages/segment/${key}`;
}

export async function readSegment(store: ArtifactStore, key: string): Promise<FinishedSegment | undefined> {
  const manifest = await getJson<Manifest>(store, `${segmentPrefix(key)}/manifest.json`);
  if (!manifest) return undefined;
  const { counts, outputs, seconds } = manifest;
  const count = (name: string): number => {
    const value = counts[name];
    if (value === undefined) throw new Error(`Expected ${name} in the manifest of segment ${key}, got none`);
    return value;
  };
  const output = (name: string): Artifact => {
    const artifact = outputs[name];
    if (!artifact) throw new Error(`Expected ${name} in the manifest of segment ${key}, got none`);
    return artifact;
  };
  return {
    result: {
      key,
      segment: count('segment'),
      epoch: count('epoch'),
      iteration: count('iteration'),
      loss: count('loss'),
      rate: count('rate'),
      seconds,
      lost: {
        attempts: count('lostAttempts'),
        iterations: count('lostIterations'),
        seconds: count('lostSeconds'),
      },
    },
    model: output('caffemodel'),
    state: output('solverstate'),
    curve: output('curve.json'),
  };
}

/** An entry of the journal: written when an attempt starts. The manifest names the attempt that ended. */
export interface Attempt {
  attempt: string;
  /** Who tries: the activity's execution, and which of its attempts this is, from 1. */
  activity: string;
  number: number;
  from: number;
  to: number;
  /** ISO 8601 */
  startedAt: string;
  /** Iterations that the activity's attempt before had done by its last heartbeat; 0 when nothing is known. */
  doneBefore: number;
}

export async function writeAttempt(store: ArtifactStore, key: string, attempt: Attempt): Promise<void> {
  await putBytes(store, `${segmentPrefix(key)}/attempts/${attempt.attempt}.json`, JSON.stringify(attempt));
}

/**
 * What the attempts other than `winner` came to. What an attempt did after its last heartbeat is not known, and not counted.
 * @param secondsPerIteration of the winner: the lost iterations took as long, on a machine like it
 */
export async function lostWork(
  store: ArtifactStore,
  key: string,
  winner: string,
  secondsPerIteration: number,
): Promise<SegmentResult['lost']> {
  let attempts = 0;
  let iterations = 0;
  for await (const { key: file } of store.list(`${segmentPrefix(key)}/attempts/`)) {
    const attempt = await getJson<Attempt>(store, file);
    if (!attempt) continue;
    if (attempt.attempt !== winner) attempts++;
    iterations += attempt.doneBefore;
  }
  return { attempts, iterations, seconds: iterations * secondsPerIteration };
}
