/** `retinopathy predict`: somebody's own photographs through the networks and the regression of a run. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { findCaffe } from '../bootstrap/caffe.ts';
import { findPhotographs } from '../inference/photographs.ts';
import { type Prediction, predictPhotographs } from '../inference/predict.ts';
import { readTrainedRun } from '../inference/trained-run.ts';
import { errorCode } from '../storage/durable-files.ts';
import { ownerName } from '../storage/owner.ts';
import { openScratch } from '../workers/scratch.ts';
import { chooseRun, type RunChoice } from './choose-run.ts';
import { createConsole } from './console.ts';
import { bar, counted, whole } from './format.ts';
import { formatOwnPredictions, NOT_A_DEVICE, predictionLines } from './prediction-tables.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export interface PredictOptions extends RunChoice {
  csv?: string;
}

/** Some photographs have no prediction; the others have. */
const SOME_FAILED = 3;

/** @param names files and folders; @returns the exit status; @throws UserError */
export async function predict(names: readonly string[], options: PredictOptions): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  const { photographs, folders, others } = await findPhotographs(names);
  if (photographs.length === 0) {
    throw new UserError(`Expected photographs in ${names.join(', ')}, got none: JPEG files, or folders that hold some`);
  }
  // What is asked for goes to standard output, and may be read by a program.
  const screen = createConsole(process.stderr);
  const stop = stopSignal();
  const stopped = new AbortController();
  const scratch = await openScratch('predict', process.env);
  const working = (async () => {
    const caffe = await findCaffe({
      env: process.env,
      report: line => screen.line(`  ${line}`),
      signal: stopped.signal,
    });
    return predictPhotographs({
      ...{ store, trained, caffe, scratch: scratch.scratch, photographs, signal: stopped.signal },
      onProgress: share => screen.picture([`  ${bar(share, 20)} ${counted(photographs.length, 'photograph')}`]),
    });
  })();
  let predictions: Prediction[];
  try {
    predictions = await stop.race(working);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    await working.catch(() => {});
    screen.line(`  Stopped (${error.message}): nothing was written`);
    return error.exitCode;
  } finally {
    screen.picture([]);
    stop.release();
    await scratch.close();
  }
  if (options.csv !== undefined) await writeWhole(resolve(options.csv), formatOwnPredictions(predictions));
  else if (folders) process.stdout.write(formatOwnPredictions(predictions));
  else process.stdout.write(`${predictionLines(predictions, trained).join('\n')}\n`);

  const failed = predictions.flatMap(each => ('reason' in each ? [each] : []));
  if (folders || options.csv !== undefined) {
    for (const { file, reason } of failed) screen.line(`  ${file}: ${reason}`);
    if (others > 0) screen.line(`  ${counted(others, 'file')} with another name than a picture's left out`);
    screen.line(
      `  ${whole(predictions.length - failed.length)} of ${counted(predictions.length, 'photograph')} predicted`,
    );
    screen.line(`  ${NOT_A_DEVICE}`);
  }
  return failed.length > 0 ? SOME_FAILED : 0;
}

/** A reader never finds half a table. */
async function writeWhole(path: string, text: string): Promise<void> {
  const part = `${path}.${ownerName()}.part`;
  try {
    await writeFile(part, text);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw new UserError(`Expected --csv ${path} to be a file that can be written, got ${errorCode(error)}`);
  }
}
