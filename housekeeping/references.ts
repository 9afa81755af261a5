/** What one run refers to. Pure. */
import type { Manifest } from '../storage/manifest.ts';
import type { RunInStore } from './inventory.ts';

type Manifests = ReadonlyMap<string, Manifest>;

const PAIR = /\.(caffemodel|solverstate)$/;

/**
 * @param whole a run that is not finished keeps all it has opened, whatever its `retention` says
 * @returns whether the run needs the object of this key
 */
export function referencesOf(run: RunInStore, manifests: Manifests, whole: boolean): (key: string) => boolean {
  const { folder, input, opened, held } = run;
  const keeps = {
    archives: true,
    images: true,
    databases: true,
    snapshots: 'resumable',
    ...(whole ? {} : input?.retention),
  };
  const isWanted = (stage: string) =>
    (keeps.archives || (stage !== 'download' && stage !== 'synthetic')) &&
    (keeps.images || stage !== 'prepare') &&
    (keeps.databases || stage !== 'label');
  const wanted = opened.filter(({ stage }) => isWanted(stage));
  const folders = new Set([folder, ...wanted.map(({ stage, key }) => `stages/${stage}/${key}/`)]);
  const archives = new Set(
    wanted
      .filter(({ stage }) => stage === 'download')
      .flatMap(({ key }) => Object.values(manifests.get(`stages/download/${key}/`)?.outputs ?? {}))
      .map(({ key }) => key),
  );
  // Where it is being downloaded to nobody has written down yet.
  const anyArchive = whole && !opened.some(({ stage, finished }) => stage === 'download' && finished);

  const segments = new Set(held.flatMap(({ segments }) => chainOf(segments, manifests)));
  const best = new Set(keeps.snapshots === 'best' ? bestOf(run, manifests) : []);
  const needsPair = (segment: string) => keeps.snapshots === 'resumable' || best.has(segment);

  return key => {
    const [top, stage, name] = key.split('/');
    if (top === 'archives') return anyArchive || archives.has(key);
    if (top === 'runs') return key.startsWith(folder);
    if (stage === 'segment' && segments.has(name ?? '')) {
      return !isStray(key, manifests) && (!PAIR.test(key) || needsPair(name ?? ''));
    }
    return folders.has(`${top}/${stage}/${name}/`);
  };
}

/** The segments and those before them, to the first. */
function chainOf(keys: readonly string[], manifests: Manifests): string[] {
  const chain = new Set<string>();
  for (let key of keys) {
    while (key && !chain.has(key)) {
      chain.add(key);
      key = manifests.get(`stages/segment/${key}/`)?.inputs.previous ?? '';
    }
  }
  return [...chain];
}

/** The last segment of each training's best epoch. */
function bestOf({ opened, held }: RunInStore, manifests: Manifests): string[] {
  return opened.flatMap(({ stage, key, name }) => {
    const epoch = stage === 'train' ? manifests.get(`stages/train/${key}/`)?.counts.bestEpoch : undefined;
    const last = held.find(training => training.name === name)?.segments ?? [];
    const ofEpoch = chainOf(last, manifests)
      .map(segment => ({ segment, counts: manifests.get(`stages/segment/${segment}/`)?.counts }))
      .filter(({ counts }) => epoch !== undefined && counts?.epoch === epoch)
      .sort((a, b) => (b.counts?.segment ?? 0) - (a.counts?.segment ?? 0));
    return ofEpoch.slice(0, 1).map(({ segment }) => segment);
  });
}

/** What an attempt has left that is not the segment's: its folder is named by it. */
function isStray(key: string, manifests: Manifests): boolean {
  const [, , segment, attempt, file] = key.split('/');
  const manifest = manifests.get(`stages/segment/${segment}/`);
  if (!manifest || file === undefined || attempt === 'attempts') return false;
  return !Object.values(manifest.outputs).some(output => output.key === key);
}
