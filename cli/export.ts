/** `retinopathy export`: a run's pictures and lists in the form of other tools. */
import { resolve } from 'node:path';
import { readRecord } from '../activities/run/records.ts';
import { openStore } from '../storage/open.ts';
import type { ArtifactStore } from '../storage/store.ts';
import { createConsole } from './console.ts';
import { writeDigitsFolder } from './digits-folder.ts';
import { bar, whole } from './format.ts';
import { readOutState } from './out-folder.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export interface ExportOptions {
  run?: string;
  store?: string;
  out: string;
}

/** Writes the folder that DIGITS takes. @returns the exit status; @throws UserError */
export async function exportDigits(to: string, options: ExportOptions): Promise<number> {
  const { run, url } = await chooseRun(options);
  const store = await openStore(url);
  const stages = await finishedStages(store, run);
  const folder = resolve(to);
  const screen = createConsole();
  const stop = stopSignal();
  const stopped = new AbortController();
  const writing = writeDigitsFolder(store, {
    ...stages,
    folder,
    signal: stopped.signal,
    onProgress: (written, of) =>
      screen.picture([`  ${bar(written / of, 20)} ${whole(written)} of ${whole(of)} pictures`]),
  });
  try {
    const pictures = await stop.race(writing);
    screen.line(`  ${whole(pictures)} pictures and the lists of four splits in ${folder}`);
    screen.line(`  In DIGITS: New Dataset, Classification, Upload Text Files, image folder ${folder}/images`);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    await writing.catch(() => {});
    screen.line(`  Stopped (${error.message}): nothing was written to ${folder}`);
    return error.exitCode;
  } finally {
    stop.release();
  }
}

/** The run of `--run` in the store of `--store`; what is not given comes from the out folder of a start on this machine. */
async function chooseRun({ run, store, out }: ExportOptions): Promise<{ run: string; url: string }> {
  const given = store ?? (run === undefined ? undefined : process.env.RETINOPATHY_STORE);
  if (run !== undefined && given) return { run, url: given };
  const state = await readOutState(out);
  if (state === undefined) {
    throw new UserError(
      `Expected --out ${resolve(out)} to be the folder of a run, got none: name it, or give --run and --store`,
    );
  }
  return { run: run ?? state.run, url: given ?? state.store };
}

async function finishedStages(store: ArtifactStore, run: string): Promise<{ prepare: string; label: string }> {
  const record = await readRecord(store, run);
  if (record === undefined) throw new UserError(`Expected a run ${run} in ${store.url}, got none`);
  const prefixOf = (name: string) => {
    const stage = record.stages[name];
    if (!stage?.finished) {
      throw new UserError(
        `Expected run ${run} to have finished its ${name} stage, got ${stage ? 'one under way' : 'none'}: let it go on first`,
      );
    }
    return `stages/${stage.stage}/${stage.key}`;
  };
  return { prepare: prefixOf('prepare'), label: prefixOf('label') };
}
