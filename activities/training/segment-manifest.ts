/** Reads the manifest of a finished segment, which is written last. */

import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { getSoundJson } from '../../storage/documents.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import type { SegmentResult } from './types.ts';

/** Matches the two files of a snapshot, but not curves and manifests, which are never pruned. */
export const SNAPSHOT = /\.(caffemodel|solverstate)$/;

export interface FinishedSegment {
  result: Omit<SegmentResult, 'reused'>;
  /** Attempt that trained the segment; `run` is its run. */
  attempt: string;
  run: string;
  /** Compute environment, for users. Snapshots from different environments may differ in their last bits. */
  arithmetic: string;
  model: Artifact;
  state: Artifact;
  curve: Artifact;
}

export function segmentPrefix(key: string): string {
  return `stages/segment/${key}`;
}

/** Reads a segment. Returns undefined if its manifest is missing or unreadable. */
export async function readSegment(store: ArtifactStore, key: string): Promise<FinishedSegment | undefined> {
  const manifest = await getSoundJson<Manifest>(store, `${segmentPrefix(key)}/manifest.json`);
  if (!manifest) return undefined;
  try {
    return parseManifest(key, manifest);
  } catch {
    return undefined;
  }
}

/** Parses a manifest. @throws if a field is missing */
function parseManifest(key: string, manifest: Manifest): FinishedSegment {
  const { counts, outputs, seconds } = manifest;
  const { attempt, run = '', arithmetic = '' } = manifest.parameters as Record<string, string>;
  const count = (name: string): number => {
    const value = counts[name];
    if (typeof value !== 'number') throw new Error(`Expected ${name} in the manifest of segment ${key}, got none`);
    return value;
  };
  const output = (name: string): Artifact => {
    const artifact = outputs[name];
    if (!artifact) throw new Error(`Expected ${name} in the manifest of segment ${key}, got none`);
    return artifact;
  };
  if (typeof attempt !== 'string') throw new Error(`Expected an attempt in the manifest of segment ${key}, got none`);
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
    attempt,
    run,
    arithmetic,
    model: output('caffemodel'),
    state: output('solverstate'),
    curve: output('curve.json'),
  };
}

/**
 * Removes the snapshots of segments that this run has trained; other runs prune their own. Another run that still needs a removed
 * snapshot trains its segment again.
 */
export async function pruneSnapshots(store: ArtifactStore, run: string, segments: readonly string[]): Promise<void> {
  for (const segment of segments) {
    if ((await readSegment(store, segment))?.run !== run) continue;
    const snapshots: string[] = [];
    for await (const { key } of store.list(`${segmentPrefix(segment)}/`)) if (SNAPSHOT.test(key)) snapshots.push(key);
    for (const key of snapshots) await store.remove(key);
  }
}

const ON_CARD = ', GPU';

/**
 * Describes the compute environment, which affects the bits of a snapshot beside the input.
 * @param card Caffe's arguments that select a GPU; empty on a CPU
 */
export function describeArithmetic({ version, env }: Caffe, card: readonly string[]): string {
  if (card.length > 0) return `${version}${ON_CARD}`;
  const [kernels = 'by processor', threads = 'by processor'] = [env.OPENBLAS_CORETYPE, env.OPENBLAS_NUM_THREADS];
  return `${version}, OpenBLAS kernels ${kernels}, threads ${threads}`;
}

/** Returns whether a description by `describeArithmetic` names a GPU. */
export function wasOnCard(arithmetic: unknown): boolean {
  return String(arithmetic).endsWith(ON_CARD);
}
