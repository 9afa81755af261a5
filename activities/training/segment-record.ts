/** What the store knows of a finished segment: its manifest, written last. */
import { getIfThere } from '../../storage/files.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Artifact, ArtifactStore } from '../../storage/store.ts';
import type { LossReason, LostWork, SegmentResult } from './types.ts';

export interface FinishedSegment {
  result: Omit<SegmentResult, 'reused'>;
  /** The attempt that trained it. */
  attempt: string;
  /** What it was computed with, for people; two that differ here may differ in their last bits. */
  arithmetic: string;
  model: Artifact;
  state: Artifact;
  curve: Artifact;
}

export function segmentPrefix(key: string): string {
  return `stages/segment/${key}`;
}

/** A manifest that cannot be read is as good as none: undefined. */
export async function readSegment(store: ArtifactStore, key: string): Promise<FinishedSegment | undefined> {
  const bytes = await getIfThere(store, `${segmentPrefix(key)}/manifest.json`);
  if (!bytes) return undefined;
  try {
    return parseManifest(key, JSON.parse(bytes.toString('utf8')) as Manifest);
  } catch {
    return undefined;
  }
}

/** @throws when a field is missing */
function parseManifest(key: string, manifest: Manifest): FinishedSegment {
  const { counts, outputs, seconds } = manifest;
  const { attempt, arithmetic = '' } = manifest.parameters as { attempt: string; arithmetic?: string };
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
        reasons: Object.fromEntries(
          Object.entries(LOST_BY).flatMap(([reason, name]) => (counts[name] ? [[reason, counts[name]]] : [])),
        ),
      },
    },
    attempt,
    arithmetic,
    model: output('caffemodel'),
    state: output('solverstate'),
    curve: output('curve.json'),
  };
}

/** The counts of a manifest that say why attempts were lost. */
const LOST_BY: Record<LossReason, string> = {
  killed: 'lostKilled',
  'shut down': 'lostShutDown',
  notice: 'lostNotice',
  cancelled: 'lostCancelled',
  failed: 'lostFailed',
  spoilt: 'lostSpoilt',
  removed: 'lostRemoved',
  late: 'lostLate',
};

export function lostCounts({ attempts, iterations, seconds, reasons }: LostWork): Record<string, number> {
  const by = Object.entries(reasons).map(([reason, n]) => [LOST_BY[reason as LossReason], n]);
  return { lostAttempts: attempts, lostIterations: iterations, lostSeconds: seconds, ...Object.fromEntries(by) };
}
