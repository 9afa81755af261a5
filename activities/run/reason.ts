/** Why a stage is made, or not made again: a sentence for people. */
import { differences } from '../../config/differences.ts';
import { getJson } from '../../storage/files.ts';
import { keySegment } from '../../storage/key-names.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { readManifest, type StageRecord } from './records.ts';

type Opened = Pick<StageRecord, 'run' | 'name' | 'stage' | 'key' | 'recipe' | 'inputs' | 'parameters'>;

/** Differences named before the rest is only counted. */
const SHOWN = 3;

/**
 * Compares with the stages of the same name that the runs in the store have opened: the one with the fewest differences tells best
 * what has changed.
 */
export async function findReason(store: ArtifactStore, opened: Opened): Promise<string> {
  const others = await sameStage(store, opened);
  const finished = await readManifest(store, opened);
  if (finished) {
    const maker = others.find(({ key, reused }) => key === opened.key && !reused);
    return `same inputs and parameters as before${maker ? `: made by ${maker.run}` : ''}`;
  }
  if (others.some(({ key }) => key === opened.key)) return 'begun before and not finished: what is there is used';
  const changes = others
    .map(other => differences(content(other), content(opened)))
    .sort((a, b) => a.length - b.length)[0];
  if (!changes) return 'nothing like it in the store';
  const more = changes.length > SHOWN ? ` and ${changes.length - SHOWN} more` : '';
  return `changed: ${changes.slice(0, SHOWN).join(', ')}${more}`;
}

async function sameStage(store: ArtifactStore, { name }: Opened): Promise<StageRecord[]> {
  const found: StageRecord[] = [];
  for await (const { key } of store.list('runs/')) {
    if (!key.endsWith(`/stages/${keySegment(name)}.json`)) continue;
    const record = await getJson<StageRecord>(store, key);
    if (record) found.push(record);
  }
  return found;
}

function content({ recipe, inputs, parameters }: Pick<StageRecord, 'recipe' | 'inputs' | 'parameters'>): unknown {
  return { recipe, inputs, ...(parameters as object) };
}
