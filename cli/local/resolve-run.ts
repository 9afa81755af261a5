/** Resolves the run that a command refers to, and the store that holds it. */
import { resolve } from 'node:path';
import { readRecord } from '../../activities/run/records.ts';
import type { RunRecord } from '../../activities/run/types.ts';
import { UserError } from '../../lib/user-error.ts';
import { openStore } from '../../storage/open.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { openStoreOf } from './resolve-store.ts';
import { readOutState } from './run-dir.ts';

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
 * Returns the run of `--run`, an id or an out folder, in the store of `--store`. Missing values come from the out folder of a run on
 * this machine.
 * @throws UserError when no run is named, or the store has none of that name
 */
export async function chooseRun(options: RunChoice): Promise<ChosenRun> {
  const { run, store } = await placeOf(options);
  const record = await readRecord(store, run);
  if (record === undefined) throw new UserError(`Expected a run ${run} in ${store.url}, got none`);
  return { run, store, record };
}

async function placeOf({ run, store, out }: RunChoice): Promise<{ run: string; store: ArtifactStore }> {
  const own = run === undefined ? undefined : await readOutState(run);
  if (own !== undefined) return { run: own.run, store: await openStoreOf(own, store) };
  const given = store ?? (run === undefined ? undefined : process.env.RETINOPATHY_STORE);
  if (run !== undefined && given) return { run, store: await openStore(given) };
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
  return { run: run ?? state.run, store: given ? await openStore(given) : await openStoreOf(state) };
}
