/** What no run refers to, as things that go together. Pure. */
import type { Listed } from '../storage/store.ts';
import type { Inventory, RunInStore } from './inventory.ts';
import { isFinished } from './is-finished.ts';
import { referencesOf } from './references.ts';

/** What goes together: a stage, what is left of an archive, the pairs of a segment … */
export interface Leftover {
  /** For people: `stages/prepare/0f3c…`. */
  what: string;
  reason: string;
  bytes: number;
  keys: string[];
}

export interface Sweep {
  /** Every run that is there. */
  runs: string[];
  leftovers: Leftover[];
  /** Nothing refers to them and they are too young: somebody may be about to. */
  young: { bytes: number; objects: number };
  /** Runs that are not finished: all they have opened stays. */
  unfinished: string[];
  /** What stays. */
  kept: { bytes: number; objects: number };
}

export interface SweepOptions {
  /** Milliseconds since the epoch: what is not older than this stays. */
  before: number;
  /** Runs that are to go, by the name a person knows. */
  forget: ReadonlySet<string>;
}

/** Largest leftovers first. Objects that are not the pipeline's are not looked at. */
export function unreferenced(inventory: Inventory, { before, forget }: SweepOptions): Sweep {
  const { objects, runs, manifests } = inventory;
  const staying = runs.filter(({ run, input }) => input !== null && !forget.has(run));
  const busy = new Set(staying.filter(run => !isFinished(run, objects, before)));
  const references = staying.map(run => referencesOf(run, manifests, busy.has(run)));
  const isKept = ({ key }: Listed) => references.some(refers => refers(key));
  const partners = new Set(objects.filter(isKept).map(({ key }) => key));

  const groups = new Map<string, Listed[]>();
  const kept: Listed[] = [];
  for (const object of objects) {
    const what = groupOf(object.key);
    // The record of a part stays with its part.
    const part = object.key.endsWith('.part.json') ? object.key.slice(0, -'.part.json'.length) : undefined;
    const stays = partners.has(object.key) || (part && (partners.has(part) || partners.has(`${part}.zip`)));
    if (stays) kept.push(object);
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

/** Objects that count together: a run's, a stage's, an archive's. */
function groupOf(key: string): string {
  const depth = key.startsWith('stages/') ? 3 : 2;
  return `${key.split('/').slice(0, depth).join('/')}/`;
}

function reasonOf(what: string, run: RunInStore | undefined, staying: readonly RunInStore[], isWhole: boolean): string {
  if (run) return run.input === null ? 'left of a run that is gone' : 'the run is to be forgotten';
  const [, stage, key] = what.split('/');
  if (stage === 'segment')
    return isWhole ? 'of no training that is left' : 'its pair is kept no longer, or left of an attempt';
  const names = staying.filter(({ opened }) => opened.some(o => o.stage === stage && o.key === key));
  const not = names.map(({ run }) => run).join(', ');
  return not ? `finished, and its \`retention\` keeps it no longer: ${not}` : 'no run refers to it';
}

/** Whether it makes a stage, a run or a part complete: then it goes first, as what is half-removed must not be taken for whole. */
export function makesComplete(key: string): boolean {
  return /\/(manifest|run)\.json$|\.part\.json$/.test(key);
}

const total = (objects: readonly Listed[]) => objects.reduce((sum, { size }) => sum + size, 0);
