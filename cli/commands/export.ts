/** Declares `retinopathy export` and its commands. */
import { type Command, Option } from 'commander';
import { FOLDS } from '../../activities/labels/types.ts';
import { example, exits, OUT, RUN, STORE } from './options.ts';

export function addExportCommand(program: Command): void {
  const exporting = program.command('export').description("a run's pictures and lists in the form of other tools");
  exporting
    .command('digits')
    .description('loose PNGs, train.tsv, val.tsv and test.tsv of each split, labels.txt: as DIGITS takes them')
    .argument('<dir>', 'a new or empty folder')
    .option('--run <run>', 'the workflow id (default: the run of the out folder)')
    .option(...STORE)
    .option(...OUT)
    .addHelpText(...example('retinopathy export digits ./digits --out ./run'))
    .action(exits(async (dir, options) => (await import('../results/export.ts')).exportDigits(dir, options)));

  exporting
    .command('model')
    .description(
      'networks, mean, recipe, regression and model card, for use without Caffe (OpenCV) and without this project',
    )
    .argument('<run>', 'a workflow id, or the out folder of a run')
    .argument('<dir>', 'a new or empty folder')
    .option('--pictures', 'with the pictures of the test eyes, whosever they are (default: only made-up ones)')
    .option(...STORE)
    .option(...OUT)
    .addHelpText(...example('retinopathy export model ./run ./model'))
    .action(
      exits(async (run, dir, options) => (await import('../results/export.ts')).exportModel(dir, { ...options, run })),
    );

  exporting
    .command('webdataset')
    .description('a fold as tars with a .png, a .cls and a .json for each sample: as the webdataset package reads them')
    .argument('<dir>', 'a new or empty folder')
    .addOption(new Option('--fold <fold>', 'which pictures').choices(FOLDS).makeOptionMandatory())
    .option(...RUN)
    .option(...STORE)
    .option(...OUT)
    .addHelpText(...example('retinopathy export webdataset ./tars --fold test --run ./run'))
    .action(exits(async (dir, options) => (await import('../results/export.ts')).exportWebDataset(dir, options)));
}
