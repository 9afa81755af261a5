/** `retinopathy export`: a run's pictures, lists and networks in the form of other tools. */
import { resolve } from 'node:path';
import type { Fold } from '../activities/labels/types.ts';
import { findCaffe } from '../bootstrap/caffe.ts';
import { writeBundle } from '../inference/bundle/write-bundle.ts';
import { readTrainedRun } from '../inference/trained-run.ts';
import { writeWebDataset } from '../inference/webdataset.ts';
import { openScratch } from '../workers/scratch.ts';
import { chooseRun, finishedStage, type RunChoice } from './choose-run.ts';
import { type Console, createConsole } from './console.ts';
import { writeDigitsFolder } from './digits-folder.ts';
import { bar, counted, whole } from './format.ts';
import { makeFolder } from './new-folder.ts';
import { NOT_A_DEVICE } from './prediction-tables.ts';
import { Stopped, stopSignal } from './stop-signal.ts';

/** Writes the folder that DIGITS takes. @returns the exit status; @throws UserError */
export async function exportDigits(to: string, options: RunChoice): Promise<number> {
  const chosen = await chooseRun(options);
  const stages = { prepare: finishedStage(chosen, 'prepare'), label: finishedStage(chosen, 'label') };
  return untilStopped(to, async ({ folder, screen, signal }) => {
    const pictures = await writeDigitsFolder(chosen.store, {
      ...{ ...stages, folder, signal },
      onProgress: (written, of) => showProgress(screen, written, of, 'pictures'),
    });
    screen.line(`  ${whole(pictures)} pictures and the lists of four splits in ${folder}`);
    screen.line(`  In DIGITS: New Dataset, Classification, Upload Text Files, image folder ${folder}/images`);
  });
}

/** Writes the run's model with what it must say of some test eyes. @returns the exit status; @throws UserError, UnusableRun */
export async function exportModel(to: string, options: RunChoice & { pictures?: boolean }): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  // What the competition hands out is for those who have accepted its rules; a folder's pictures are their owner's.
  const pictures = options.pictures ?? trained.input.source === 'synthetic';
  return untilStopped(to, async ({ folder, screen, signal }) => {
    const scratch = await openScratch('export', process.env);
    try {
      const caffe = await findCaffe({ env: process.env, report: line => screen.line(`  ${line}`), signal });
      await makeFolder(folder, signal, making =>
        writeBundle({ ...{ store, trained, caffe, pictures, signal }, folder: making, scratch: scratch.scratch }),
      );
    } finally {
      await scratch.close();
    }
    screen.line(`  The model of run ${record.run} in ${folder}, where MODEL.md says what it is`);
    screen.line('  Its files say of the test eyes in expected.json what predictions.csv says');
    screen.line(`  ${NOT_A_DEVICE}`);
  });
}

/** Writes a fold as tars. @returns the exit status; @throws UserError */
export async function exportWebDataset(to: string, options: RunChoice & { fold: Fold }): Promise<number> {
  const chosen = await chooseRun(options);
  const stages = { prepare: finishedStage(chosen, 'prepare'), label: finishedStage(chosen, 'label') };
  const { store, record } = chosen;
  return untilStopped(to, async ({ folder, screen, signal }) => {
    const { samples, tars } = await makeFolder(folder, signal, making =>
      writeWebDataset({
        ...{ ...stages, store, signal, input: record.input, fold: options.fold, folder: making },
        onProgress: (written, of) => showProgress(screen, written, of, 'samples'),
      }),
    );
    screen.line(
      `  ${counted(samples, 'sample')} of the ${options.fold} fold in ${counted(tars, 'tar')} in ${folder}, read.py reads them`,
    );
  });
}

interface Work {
  folder: string;
  screen: Console;
  signal: AbortSignal;
}

/** Does the work until a signal comes; then waits for it to clear up. @returns the exit status */
async function untilStopped(to: string, work: (work: Work) => Promise<void>): Promise<number> {
  const folder = resolve(to);
  const screen = createConsole();
  const stop = stopSignal();
  const stopped = new AbortController();
  const working = work({ folder, screen, signal: stopped.signal });
  try {
    await stop.race(working);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    await working.catch(() => {});
    screen.line(`  Stopped (${error.message}): nothing was written to ${folder}`);
    return error.exitCode;
  } finally {
    stop.release();
  }
}

function showProgress(screen: Console, written: number, of: number, what: string): void {
  screen.picture([`  ${bar(written / of, 20)} ${whole(written)} of ${whole(of)} ${what}`]);
}
