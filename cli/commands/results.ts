/** Commands about what has come of a run. */
import type { Command } from 'commander';
import { collect, count, port, share, split } from '../option-values.ts';

export function addResults(program: Command): void {
  program
    .command('compare')
    .description('runs side by side: inputs that differ, figures, and whether they differ by more than chance')
    .argument('<run...>', 'two or more: workflow ids, or out folders of runs on this machine')
    .option('--store <url>', 'where their artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  retinopathy compare ./run slower')
    .action(async (runs, options) => {
      const { compare } = await import('../compare.ts');
      process.exitCode = await compare(runs, options);
    });

  program
    .command('score')
    .description('stages of an archive without grades, by the networks of a finished run: a submission')
    .argument('[archive]', 'its name', 'test.zip')
    .option('--run <run>', 'the workflow id (default: the run of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine; submission.csv goes into a folder of it', './run')
    .option('--source <source>', "where the archive is, as for run (default: where the run's own was)")
    .option('--store <url>', 'where artifacts lie (default: the store of the out folder)')
    .option('--parts <n>', 'how many parts it has (default: 7)', count)
    .option('--max-quarantined <share>', "share of pictures that may be set aside (default: the run's own)", share)
    .option('--port <port>', "port of Temporal's server (default: 7233, or a free one)", port)
    .option('--ui-port <port>', "port of Temporal's Web UI (default: the server's + 1000, or a free one)", port)
    .addHelpText('after', '\nExample:\n  retinopathy score test.zip --out ./run')
    .action(async (archive, options) => {
      const { score } = await import('../score.ts');
      process.exitCode = await score(archive, options);
    });

  program
    .command('predict')
    .description('the stage of photographs of your own, by the networks and the regression of a run')
    .argument('<file...>', 'JPEG photographs, or folders of them; <patient>_left and <patient>_right are fellow eyes')
    .option('--run <run>', 'a workflow id, or the out folder of a run (default: the run of --out)')
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .option('--csv <file>', 'write a table there (default for folders: to standard output)')
    .addHelpText('after', '\nExample:\n  retinopathy predict 10_left.jpeg 10_right.jpeg --run ./run')
    .action(async (files, options) => {
      const { predict } = await import('../predict.ts');
      process.exitCode = await predict(files, options);
    });

  program
    .command('explain')
    .description(
      "one eye's way through a run: bytes, crop, fold, the four predictions by epoch, their shares in the stage, and what the networks look at",
    )
    .argument('<image>', 'an eye of the run, e.g. 10_left')
    .option('--run <run>', 'a workflow id, or the out folder of a run (default: the run of --out)')
    .option('--to <dir>', 'compute an occlusion map of each split, and write <image>.png and <image>.json there')
    .option('--json', 'as JSON')
    .option(
      '--patch <pixels>',
      "diameter of what is covered at a time (default: a twelfth of the pictures' side)",
      count,
    )
    .option('--grid <n>', 'places a row, and rows (default: twice as many as fit side by side)', count)
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .addHelpText('after', '\nExample:\n  retinopathy explain 10_left --run ./run --to ./explained')
    .action(async (image, options) => {
      const { explain } = await import('../explain.ts');
      process.exitCode = await explain(image, options);
    });

  program
    .command('fork')
    .description(
      'a new run that shares all with another up to the end of an epoch of a split, and trains that with other settings',
    )
    .argument(
      '<run>',
      'a workflow id (started on the Temporal service of TEMPORAL_ADDRESS), or an out folder (on this machine)',
    )
    .requiredOption('--split <k>', '0, 1, 2 or 3: the split <0..k>/<k+1..4>', split)
    .requiredOption('--from-epoch <n>', 'the last epoch that they share', count)
    .requiredOption(
      '--set <path=value>',
      'what is other from there on, e.g. training.baseRate=0.001 (may be repeated)',
      collect,
      [],
    )
    .option('--name <name>', 'its workflow id (default: the one of the run with a hash of what differs)')
    .option(
      '--train-again',
      'also where the snapshot of that epoch is no longer kept: the epochs up to it are trained again',
    )
    .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .option('--port <port>', "port of Temporal's server (default: 7233, or a free one)", port)
    .option('--ui-port <port>', "port of Temporal's Web UI (default: the server's + 1000, or a free one)", port)
    .addHelpText(
      'after',
      '\nExample:\n  retinopathy fork ./run --split 1 --from-epoch 1 --set training.baseRate=0.001 --name slower',
    )
    .action(async (run, options) => {
      const { fork } = await import('../fork.ts');
      process.exitCode = await fork(run, options);
    });

  program
    .command('submit')
    .description(
      'hand a submission in to the competition, with the credentials and the API (RETINOPATHY_KAGGLE_API) of the download',
    )
    .argument('<file>', 'submission.csv, as `retinopathy score` writes it')
    .requiredOption('--message <text>', 'what the list of submissions says beside it')
    .option('--competition <name>', 'its name in its address', 'diabetic-retinopathy-detection')
    .option('--source <source>', 'kaggle, or the URL of a Kaggle-compatible server', 'kaggle')
    .addHelpText(
      'after',
      '\nExample:\n  retinopathy submit ./run/test/submission.csv --message "small network, 2 epochs"',
    )
    .action(async (file, options) => {
      const { submit } = await import('../submit.ts');
      process.exitCode = await submit(file, options);
    });
}
