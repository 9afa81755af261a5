/** Which run a command is about, and the store that has it. */
import { resolve } from 'node:path';
import { readRecord } from '../activities/run/records.ts';
import type { RunRecord } from '../activities/run/types.ts';
import { openStore } from '../storage/open.ts';
import type { ArtifactStore } from '../storage/store.ts';
import { readOutState } from './out-folder.ts';
import { UserError } from './user-error.ts';

export interface RunChoice {
  run?: string;
  store?: string;
  out: string;
}

export interface ChosenRun {
  run: string;
  store: ArtifactStore;
  record: RunRecord;
}

/**
 * The run of `--run`, an id or an out folder, in the store of `--store`; what is not given comes from the out folder of a start on
 * this machine.
 * @throws UserError when no run is named, or the store has none of that name
 */
export async function chooseRun(options: RunChoice): Promise<ChosenRun> {
  const { run, url } = await placeOf(options);
  const store = await openStore(url);
  const record = await readRecord(store, run);
  if (record === undefined) throw new UserError(`Expected a run ${run} in ${store.url}, got none`);
  return { run, store, record };
}

async function placeOf({ run, store, out }: RunChoice): Promise<{ run: string; url: string }> {
  const own = run === undefined ? undefined : await readOutState(run);
  if (own !== undefined) return { run: own.run, url: own.store };
  const given = store ?? (run === undefined ? undefined : process.env.RETINOPATHY_STORE);
  if (run !== undefined && given) return { run, url: given };
  const state = await readOutState(out);
  if (state === undefined) {
    if (run !== undefined)
      throw new UserError(
        `Expected ${run} to be the out folder of a run, or --store, RETINOPATHY_STORE or --out ${resolve(out)} to name the store that has it, got neither`,
      );
    throw new UserError(
      `Expected --out ${resolve(out)} to be the folder of a run, got none: name it, or give --run and --store`,
    );
  }
  return { run: run ?? state.run, url: given ?? state.store };
}

/** `stages/<stage>/<key>` of a finished stage of the run. @throws UserError when it is not finished */
export function finishedStage({ run, record }: Pick<ChosenRun, 'run' | 'record'>, name: string): string {
  const stage = record.stages[name];
  if (!stage?.finished) {
    throw new UserError(
      `Expected run ${run} to have finished its ${name} stage, got ${stage ? 'one under way' : 'none'}: let it go on first`,
    );
  }
  return `stages/${stage.stage}/${stage.key}`;
}
