/**
 * A training's folder for TensorBoard in the store, which grows as it goes on. An object cannot grow, so each segment and each
 * judgement is an event file of its own; their names sort in the order of the training, in which TensorBoard reads them.
 */
import { getArtifact } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { CurvePoint } from './caffe-log.ts';
import { encodeEvents, type Scalars } from './event-file.ts';
import { readSegment } from './segment-record.ts';
import type { EvaluatedSnapshot, SegmentResult, TrainingArgs } from './types.ts';

type Place = Pick<TrainingArgs, 'run' | 'name'>;

/** `runs/<run>/tensorboard/<training>`, without a slash at the end. */
export function eventFolder({ run, name }: Place): string {
  return `${runFolder(run)}/tensorboard/${name}`;
}

/** Stores `training/loss`, `training/rate` and what else the net has said in a finished segment. */
export async function storeSegmentEvents(store: ArtifactStore, place: Place, result: SegmentResult): Promise<void> {
  const finished = await readSegment(store, result.key);
  if (!finished) return;
  const points = JSON.parse((await getArtifact(store, finished.curve)).toString('utf8')) as CurvePoint[];
  const scalars = points.map(
    ({ iteration, time, values }): Scalars => ({
      step: iteration,
      time,
      values: Object.fromEntries(Object.entries(values).map(([metric, value]) => [`training/${metric}`, value])),
    }),
  );
  await write(store, `${eventFolder(place)}/${segmentFile(result)}`, scalars);
}

/** Stores `validation/auc`, `validation/accuracy`, `validation/loss` and `training/auc`, of four heads as `validation/auc-0` and so on. */
export async function storeJudgementEvents(
  store: ArtifactStore,
  { heads, ...place }: Place & Pick<TrainingArgs, 'heads'>,
  { auc, accuracy, loss, training, snapshot, at }: EvaluatedSnapshot,
): Promise<void> {
  const judged = await readSegment(store, snapshot);
  if (!judged) return;
  const values: Record<string, number> = {};
  for (const [metric, figures] of [
    ['validation/auc', auc],
    ['validation/accuracy', accuracy],
    ['validation/loss', loss],
    ['training/auc', training?.auc ?? []],
  ] as const) {
    for (const [i, k] of heads.entries()) {
      const value = figures[i];
      if (typeof value === 'number') values[`${metric}${heads.length === 1 ? '' : `-${k}`}`] = value;
    }
  }
  const scalars = [{ step: judged.result.iteration, time: Date.parse(at), values }];
  await write(store, `${eventFolder(place)}/${judgementFile(judged.result)}`, scalars);
}

/**
 * Brings the folder in line with the segments that are finished when a training begins: those of another run are added, and what an
 * earlier execution with other input has left goes.
 * @param judgementOf what is known of a segment's snapshot; undefined where it has not been judged
 */
export async function renewEvents(
  store: ArtifactStore,
  args: TrainingArgs,
  done: readonly SegmentResult[],
  judgementOf: (key: string) => Promise<EvaluatedSnapshot | undefined>,
): Promise<void> {
  const folder = eventFolder(args);
  const there = new Set<string>();
  const wanted = new Set(done.flatMap(result => [segmentFile(result), judgementFile(result)]));
  for await (const { key } of store.list(`${folder}/`)) {
    const name = key.slice(folder.length + 1);
    if (wanted.has(name)) there.add(name);
    else await store.remove(key);
  }
  for (const result of done) {
    if (!there.has(segmentFile(result))) await storeSegmentEvents(store, args, result);
    if (there.has(judgementFile(result))) continue;
    const judgement = await judgementOf(result.key);
    if (judgement) await storeJudgementEvents(store, args, judgement);
  }
}

type Named = Pick<SegmentResult, 'segment' | 'key'>;

const segmentFile = (named: Named) => fileName(named, 'segment');
const judgementFile = (named: Named) => fileName(named, 'validation');

/** Ten digits where others have the seconds: TensorBoard knows the files by what comes before them. */
function fileName({ segment, key }: Named, what: 'segment' | 'validation'): string {
  return `events.out.tfevents.${String(segment).padStart(10, '0')}.${what}-${key}`;
}

async function write(store: ArtifactStore, key: string, scalars: readonly Scalars[]): Promise<void> {
  await store.put(key, encodeEvents(scalars), { overwrite: true });
}
