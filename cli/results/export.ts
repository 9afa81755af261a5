/** `retinopathy export`: writes a run's images, lists and networks in the formats of other tools. */
import { resolve } from 'node:path';
import type { Fold } from '../../activities/labels/types.ts';
import { writeBundle } from '../../inference/bundle/write-bundle.ts';
import { finishedStage, readTrainedRun } from '../../inference/trained-run.ts';
import { writeWebDataset } from '../../inference/webdataset.ts';
import { bar, counted, whole } from '../../lib/format.ts';
import { makeFolder } from '../local/atomic-dir.ts';
import { Stopped, untilStopped } from '../local/interrupt.ts';
import { chooseRun, type RunChoice } from '../local/resolve-run.ts';
import { withCaffe } from '../local/with-caffe.ts';
import { type Console, createConsole } from '../ui/console.ts';
import { writeDigitsFolder } from './digits-folder.ts';
import { NOT_A_DEVICE } from './prediction-tables.ts';

/** Writes the folder for DIGITS. @returns the exit status; @throws UserError */
export async function exportDigits(to: string, options: RunChoice): Promise<number> {
  const { store, record } = await chooseRun(options);
  const stages = { prepare: finishedStage(record, 'prepare'), label: finishedStage(record, 'label') };
  return makeThere(to, async ({ folder, screen, signal }) => {
    const pictures = await writeDigitsFolder(store, {
      ...{ ...stages, folder, signal },
      onProgress: (written, of) => showProgress(screen, written, of, 'pictures'),
    });
    screen.line(`  ${whole(pictures)} pictures and the lists of four splits in ${folder}`);
    screen.line(`  In DIGITS: New Dataset, Classification, Upload Text Files, image folder ${folder}/images`);
  });
}

/** Writes the run's model with its expected output for some test eyes. @returns the exit status; @throws UserError, UnusableRun */
export async function exportModel(to: string, options: RunChoice & { pictures?: boolean }): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  // Only those who accept the competition's rules may have its images. The images of a folder belong to their owner.
  const pictures = options.pictures ?? trained.input.source === 'synthetic';
  const folder = resolve(to);
  const screen = createConsole();
  const made = await withCaffe(screen, 'export', `Caffe looks at test eyes of ${record.run}`, tools =>
    makeFolder(folder, tools.signal, making => writeBundle({ store, trained, pictures, folder: making, ...tools })),
  );
  if (made instanceof Stopped) return made.exitCode;
  screen.line(`  The model of run ${record.run} in ${folder}, where MODEL.md says what it is`);
  screen.line('  Its files say of the test eyes in expected.json what predictions.csv says');
  screen.line(`  ${NOT_A_DEVICE}`);
  return 0;
}

/** Writes a fold as tars. @returns the exit status; @throws UserError */
export async function exportWebDataset(to: string, options: RunChoice & { fold: Fold }): Promise<number> {
  const { store, record } = await chooseRun(options);
  const stages = { prepare: finishedStage(record, 'prepare'), label: finishedStage(record, 'label') };
  return makeThere(to, async ({ folder, screen, signal }) => {
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

/** Runs an export until it is done or stopped. @returns the exit status */
async function makeThere(to: string, work: (work: Work) => Promise<void>): Promise<number> {
  const folder = resolve(to);
  const screen = createConsole();
  const stopped = await untilStopped(signal => work({ folder, screen, signal }));
  if (!(stopped instanceof Stopped)) return 0;
  screen.line(`  Stopped (${stopped.message}): nothing was written to ${folder}`);
  return stopped.exitCode;
}

function showProgress(screen: Console, written: number, of: number, what: string): void {
  screen.picture([`  ${bar(written / of, 20)} ${whole(written)} of ${whole(of)} ${what}`]);
}
