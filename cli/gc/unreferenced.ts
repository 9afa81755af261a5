/** Groups the objects that no run refers to. Pure. */
import type { StageRecord } from '../../activities/run/types.ts';
import { SNAPSHOT } from '../../activities/training/segment-manifest.ts';
import type { TrainedSegments } from '../../activities/training/types.ts';
import type { PipelineInput } from '../../config/input.ts';
import { downloadOf } from '../../storage/key-syntax.ts';
import { fileKey } from '../../storage/large.ts';
import type { Manifest } from '../../storage/manifest.ts';
import type { Listed } from '../../storage/store.ts';

/** A stage that a run has opened. */
type Opened = Pick<StageRecord, 'name' | 'stage' | 'key' | 'finished' | 'inputs'>;

export interface RunInStore {
  /** Key prefix of the run, with a trailing slash: `runs/dr-2026-11/`. */
  folder: string;
  /** Id of the run as the user knows it. */
  run: string;
  /** Null where there is no run.json. */
  input: PipelineInput | null;
  opened: Opened[];
}

/** Objects of a store, and the records of its runs. */
export interface Inventory {
  objects: Listed[];
  runs: RunInStore[];
  /** Manifests of downloads, trainings and segments, by their folder: `stages/segment/<key>/`. */
  manifests: Map<string, Manifest>;
  /** Segments that finished trainings refer to, by the trainings' folders: `stages/train/<key>/`. */
  trained: Map<string, TrainedSegments>;
}

/** Unreferenced objects that belong together: a stage, the remains of an archive, the snapshot of a segment … */
export interface Leftover {
  /** Display name, such as `stages/prepare/0f3c…`. */
  what: string;
  reason: string;
  bytes: number;
  keys: string[];
}

export interface Sweep {
  /** All runs in the store. */
  runs: string[];
  leftovers: Leftover[];
  /** Unreferenced objects that are too young to remove, as a run may be about to refer to them. */
  young: { bytes: number; objects: number };
  /** Unfinished runs, which keep everything that they have opened. */
  unfinished: string[];
  /** Referenced objects, which stay. */
  kept: { bytes: number; objects: number };
}

export interface SweepOptions {
  /** Milliseconds since the epoch. Objects that are newer stay. */
  before: number;
  /** Runs to delete, by the id that the user knows. */
  forget: ReadonlySet<string>;
}

/** Finds the unreferenced objects, largest leftovers first. Objects outside the pipeline's folders are not in the inventory. */
export function unreferenced(inventory: Inventory, { before, forget }: SweepOptions): Sweep {
  const { objects, runs } = inventory;
  const staying = runs.filter(({ run, input }) => input !== null && !forget.has(run));
  const busy = new Set(staying.filter(run => !isFinished(run, objects, before)));
  const references = staying.map(run => referencesOf(run, inventory, busy.has(run)));
  const isKept = ({ key }: Listed) => references.some(refers => refers(key));

  const groups = new Map<string, Listed[]>();
  const kept: Listed[] = [];
  for (const object of objects) {
    const what = groupOf(object.key);
    if (isKept(object)) kept.push(object);
    else if (!groups.get(what)?.push(object)) groups.set(what, [object]);
  }

  const leftovers: Leftover[] = [];
  const young: Listed[] = [];
  for (const [what, group] of groups) {
    const run = runs.find(({ folder }) => what === folder);
    const forgotten = run !== undefined && forget.has(run.run);
    if (!forgotten && group.some(({ modified }) => modified > before)) young.push(...group);
    else
      leftovers.push({
        what,
        reason: reasonOf(
          what,
          run,
          staying,
          group.some(({ key }) => key.endsWith('/manifest.json')),
        ),
        bytes: total(group),
        keys: group.map(({ key }) => key),
      });
  }
  return {
    runs: runs.filter(({ input }) => input !== null).map(({ run }) => run),
    leftovers: leftovers.sort((a, b) => b.bytes - a.bytes || (a.what < b.what ? -1 : 1)),
    young: { bytes: total(young), objects: young.length },
    unfinished: [...busy].map(({ run }) => run).sort(),
    kept: { bytes: total(kept), objects: kept.length },
  };
}

/** Returns the prefix of the objects that count together: those of a run, a stage or an archive. */
function groupOf(key: string): string {
  const depth = key.startsWith('stages/') ? 3 : 2;
  return `${key.split('/').slice(0, depth).join('/')}/`;
}

function reasonOf(what: string, run: RunInStore | undefined, staying: readonly RunInStore[], isWhole: boolean): string {
  if (run) return run.input === null ? 'left of a run that is gone' : 'the run is to be forgotten';
  const [, stage, key] = what.split('/');
  if (stage === 'segment')
    return isWhole ? 'of no training that is left' : 'its snapshot is kept no longer, or left of an attempt';
  const names = staying.filter(({ opened }) => opened.some(o => o.stage === stage && o.key === key));
  const not = names.map(({ run }) => run).join(', ');
  return not ? `finished, and its \`retention\` keeps it no longer: ${not}` : 'no run refers to it';
}

/** Returns whether the object marks a stage, a run or a part as complete. Such marks go first, so that no remains look complete. */
export function makesComplete(key: string): boolean {
  return /\/(manifest|run|part)\.json$/.test(key);
}

const total = (objects: readonly Listed[]) => objects.reduce((sum, { size }) => sum + size, 0);

/**
 * Returns whether a run is finished: all stages that it opened are, its last requested stage is among them, and nothing was written
 * to it lately. The report is written after the last stage. A run that was terminated early is never finished.
 */
function isFinished({ folder, input, opened }: RunInStore, objects: readonly Listed[], before: number): boolean {
  if (input === null || !opened.every(({ finished }) => finished)) return false;
  if (objects.some(({ key, modified }) => key.startsWith(folder) && modified > before)) return false;
  const trainings = input.training.layout === 'four-heads' ? 1 : 4;
  const last = opened.filter(({ stage }) => stage === input.until).length;
  return last >= (input.until === 'train' ? trainings : 1);
}

/**
 * Finds the references of one run.
 * @param whole true for an unfinished run, which keeps everything that it has opened, whatever its `retention`
 * @returns a function that says whether the run needs the object of a key
 */
function referencesOf(
  { folder, input, opened }: RunInStore,
  { manifests, trained }: Pick<Inventory, 'manifests' | 'trained'>,
  whole: boolean,
): (key: string) => boolean {
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
      .map(({ key }) => downloadOf(key)),
  );
  // No record names the archive of a download under way, or of one whose manifest is missing.
  const anyArchive =
    (whole && !opened.some(({ stage, finished }) => stage === 'download' && finished)) ||
    wanted.some(({ stage, key }) => stage === 'download' && !manifests.has(`stages/download/${key}/`));

  const trainings = opened.filter(({ stage }) => stage === 'train');
  const finished = trainings.flatMap(({ key }) => trained.get(`stages/train/${key}/`) ?? []);
  const segments = new Set(finished.flatMap(training => training.segments));
  const best = new Set(finished.map(training => training.best));
  const needsSnapshot = (segment: string) =>
    keeps.snapshots === 'resumable' || (keeps.snapshots === 'best' && best.has(segment));
  // A training under way has not stored its list of segments yet. All that were trained on its databases are kept.
  const underWay = trainings.filter(({ finished }) => !finished);
  const labels = new Set(underWay.map(({ inputs }) => `stages/label/${inputs.label}`));

  return key => {
    const [top, stage, name = '', , file] = key.split('/');
    if (top === 'archives') return anyArchive || archives.has(downloadOf(key));
    if (top === 'runs') return key.startsWith(folder);
    // `latest/` names the stages opened last, and serves the next run.
    if (top === 'latest') return true;
    if (stage === 'segment') {
      const manifest = manifests.get(`stages/segment/${name}/`);
      if (!manifest) return labels.size > 0;
      // A subfolder belongs to one attempt, and not every attempt became the segment.
      if (file !== undefined && !Object.values(manifest.outputs).some(output => fileKey(output.key) === fileKey(key)))
        return false;
      if (labels.has(manifest.inputs.label ?? '')) return true;
      return segments.has(name) && (!SNAPSHOT.test(fileKey(key)) || needsSnapshot(name));
    }
    return folders.has(`${top}/${stage}/${name}/`);
  };
}
