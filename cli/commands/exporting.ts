/** Commands that write what a run has made for other tools. */
import { type Command, Option } from 'commander';
import { FOLDS } from '../../activities/labels/types.ts';

export function addExporting(program: Command): void {
  const exporting = program.command('export').description("a run's pictures and lists in the form of other tools");
  exporting
    .command('digits')
    .description('loose PNGs, train.tsv, val.tsv and test.tsv of each split, labels.txt: as DIGITS takes them')
    .argument('<dir>', 'a new or empty folder')
    .option('--run <run>', 'the workflow id (default: the run of the out folder)')
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .addHelpText('after', '\nExample:\n  retinopathy export digits ./digits --out ./run')
    .action(async (dir, options) => {
      const { exportDigits } = await import('../export.ts');
      process.exitCode = await exportDigits(dir, options);
    });

  exporting
    .command('model')
    .description(
      'networks, mean, recipe, regression and model card, for use without Caffe (OpenCV) and without this project',
    )
    .argument('<run>', 'a workflow id, or the out folder of a run')
    .argument('<dir>', 'a new or empty folder')
    .option('--pictures', 'with the pictures of the test eyes, whosever they are (default: only made-up ones)')
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .addHelpText('after', '\nExample:\n  retinopathy export model ./run ./model')
    .action(async (run, dir, options) => {
      const { exportModel } = await import('../export.ts');
      process.exitCode = await exportModel(dir, { ...options, run });
    });

  exporting
    .command('webdataset')
    .description('a fold as tars with a .png, a .cls and a .json for each sample: as the webdataset package reads them')
    .argument('<dir>', 'a new or empty folder')
    .addOption(new Option('--fold <fold>', 'which pictures').choices(FOLDS).makeOptionMandatory())
    .option('--run <run>', 'a workflow id, or the out folder of a run (default: the run of --out)')
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .addHelpText('after', '\nExample:\n  retinopathy export webdataset ./tars --fold test --run ./run')
    .action(async (dir, options) => {
      const { exportWebDataset } = await import('../export.ts');
      process.exitCode = await exportWebDataset(dir, options);
    });
}
