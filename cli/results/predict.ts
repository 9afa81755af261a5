/** `retinopathy predict`: grades the user's own images with the networks and the regression of a run. */
import { resolve } from 'node:path';
import { findPhotographs, predictPhotographs } from '../../inference/predict.ts';
import { readTrainedRun } from '../../inference/trained-run.ts';
import { counted, whole } from '../../lib/format.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import { writeWhole } from '../local/atomic-dir.ts';
import { Stopped } from '../local/interrupt.ts';
import { chooseRun, type RunChoice } from '../local/resolve-run.ts';
import { withCaffe } from '../local/with-caffe.ts';
import { createConsole } from '../ui/console.ts';
import { formatOwnPredictions, NOT_A_DEVICE, predictionLines } from './prediction-tables.ts';

export interface PredictOptions extends RunChoice {
  csv?: string;
}

/** Exit status where some images have no prediction and the others have one. */
const SOME_FAILED = 3;

/** Prints the predictions. @param names files and folders; @returns the exit status; @throws UserError */
export async function predict(names: readonly string[], options: PredictOptions): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  const { photographs, folders, others } = await findPhotographs(names);
  if (photographs.length === 0) {
    throw new UserError(`Expected photographs in ${names.join(', ')}, got none: JPEG files, or folders that hold some`);
  }
  // Standard output is for the result, which a program may read.
  const screen = createConsole(process.stderr);
  const title = counted(photographs.length, 'photograph');
  const predictions = await withCaffe(screen, 'predict', title, tools =>
    predictPhotographs({ store, trained, photographs, ...tools }),
  );
  if (predictions instanceof Stopped) return predictions.exitCode;
  if (options.csv !== undefined) {
    const path = resolve(options.csv);
    await writeWhole(path, formatOwnPredictions(predictions)).catch(error => {
      throw new UserError(`Expected --csv ${path} to be a file that can be written, got ${codeOf(error)}`);
    });
  } else if (folders) process.stdout.write(formatOwnPredictions(predictions));
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
