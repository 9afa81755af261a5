/** What the store knows of a segment: its manifest, written last, and a journal of the attempts to train it. */
import { getJson } from '../../storage/files.ts';
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

/** A line of the journal: written when an attempt starts. The manifest names the attempt that ended. */
export interface Attempt {
  attempt: string;
  from: number;
  to: number;
  /** ISO 8601 */
  startedAt: string;
  /** What the attempt before had done by its last heartbeat; null when nothing is known of one. */
  before: { attempt: string; iterations: number; seconds: number } | null;
}

export async function writeAttempt(store: ArtifactStore, key: string, attempt: Attempt): Promise<void> {
  const file = `${segmentPrefix(key)}/attempts/${attempt.attempt}.json`;
  await store.put(file, Buffer.from(JSON.stringify(attempt)));
}

/** What the attempts other than `winner` came to. What an attempt did after its last heartbeat is not known, and not counted. */
export async function lostWork(store: ArtifactStore, key: string, winner: string): Promise<SegmentResult['lost']> {
  const attempts: Attempt[] = [];
  for await (const { key: file } of store.list(`${segmentPrefix(key)}/attempts/`)) {
    const attempt = await getJson<Attempt>(store, file);
    if (attempt) attempts.push(attempt);
  }
  const lost = new Map(
    attempts.filter(({ attempt }) => attempt !== winner).map(one => [one.attempt, { iterations: 0, seconds: 0 }]),
  );
  for (const { before } of attempts) {
    const known = before && lost.get(before.attempt);
    if (known) Object.assign(known, { iterations: before.iterations, seconds: before.seconds });
  }
  const sum = (of: (work: { iterations: number; seconds: number }) => number) =>
    [...lost.values()].reduce((total, work) => total + of(work), 0);
  return { attempts: lost.size, iterations: sum(work => work.iterations), seconds: sum(work => work.seconds) };
}
