/** The `retinopathy` command. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { FOLDS } from '../activities/labels/types.ts';
import { UserError } from './user-error.ts';

const program = new Command('retinopathy')
  .description('Diabetic retinopathy from photographs to a stage: a durable workflow on Temporal')
  .showHelpAfterError('(--help shows what there is)')
  .exitOverride()
  .configureOutput({ writeErr: text => process.stderr.write(text) });

const collect = (value: string, before: string[]) => [...before, value];

function port(value: string): number {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1 || n > 65_535) throw new InvalidArgumentError('Expected a port from 1 to 65535.');
  return n;
}

function count(value: string): number {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return n;
}

function split(value: string): number {
  if (!/^[0-3]$/.test(value)) throw new InvalidArgumentError('Expected 0, 1, 2 or 3.');
  return Number(value);
}

function share(value: string): number {
  const n = Number(value);
  if (!(n >= 0 && n <= 1)) throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return n;
}

function amount(value: string): number {
  const n = Number(value);
  if (!Number.isFinite(n) || n <= 0) throw new InvalidArgumentError('Expected a number above 0.');
  return n;
}

program
  .command('run', { isDefault: true })
  .description('run the whole job on this machine, or go on with it where it was')
  .option(
    '--source <source>',
    'synthetic, kaggle, a folder that holds the parts, or the URL of a Kaggle-compatible server',
  )
  .option('--out <dir>', 'everything the run writes', './run')
  .option('--input-file <file>', "the pipeline's input as JSON, over the defaults (config/demo.json for made-up eyes)")
  .option('--store <url>', 'where artifacts lie, file:DIR or s3://bucket/prefix (default: file:<out>/store)')
  .option('--until <stage>', 'stop after download, prepare, label, train or regress')
  .option('--set <path=value>', 'one field of the input, e.g. training.epochs=4 (may be repeated)', collect, [])
  .option('--keep', 'leave the server and its Web UI running afterwards, until Ctrl-C (default on a terminal)')
  .option('--no-keep', 'exit when the report is written')
  .option('--fresh', 'use nothing made before')
  .option(
    '--chaos [times]',
    'kill each worker, the server and Caffe so many times (default: 2) on the way, and compare with a calm run',
    count,
  )
  .option('--port <port>', "port of Temporal's server (default: 7233, or a free one)", port)
  .option('--ui-port <port>', "port of Temporal's Web UI (default: the server's + 1000, or a free one)", port)
  .allowExcessArguments(false)
  .addHelpText('after', '\nExample:\n  retinopathy run --source synthetic --set training.epochs=4 --out /tmp/eyes')
  .action(async options => {
    if (options.chaos === undefined) {
      const { run } = await import('./run.ts');
      process.exitCode = await run(options);
    } else {
      const { chaos } = await import('./chaos.ts');
      process.exitCode = await chaos(options);
    }
  });

program
  .command('doctor')
  .description('what was found on this machine: Temporal CLI, Caffe, proxy, disk, memory')
  .option('--out <dir>', 'where a run would write', './run')
  .addHelpText('after', '\nExample:\n  retinopathy doctor')
  .action(async options => {
    const { doctor } = await import('./doctor.ts');
    process.exitCode = await doctor(options);
  });

program
  .command('ui')
  .description('the Web UI over the runs of an out folder, until Ctrl-C')
  .option('--out <dir>', 'the folder of a run', './run')
  .option('--port <port>', "port of Temporal's server", port)
  .option('--ui-port <port>', "port of Temporal's Web UI", port)
  .addHelpText('after', '\nExample:\n  retinopathy ui --out ./run')
  .action(async options => {
    const { ui } = await import('./ui.ts');
    process.exitCode = await ui(options);
  });

program
  .command('watch')
  .description('follow a run on the Temporal service of the environment (TEMPORAL_ADDRESS, temporal.toml)')
  .argument('<run>', 'the workflow id')
  .addHelpText('after', '\nExample:\n  TEMPORAL_ADDRESS=127.0.0.1:7233 retinopathy watch dr-2026-11')
  .action(async run => {
    const { watch } = await import('./watch.ts');
    process.exitCode = await watch(run);
  });

program
  .command('worker')
  .description('join a worker to the Temporal service of the environment; RETINOPATHY_STORE names the store')
  .argument('<role>', 'workflow, cpu or gpu')
  .option(
    '--exit-when-idle <time>',
    'end, with code 0, after so long without an activity: 90s, 10m, 1.5h (default: stay)',
  )
  .addHelpText('after', '\nExample:\n  RETINOPATHY_STORE=file:/data/store retinopathy worker gpu --exit-when-idle 10m')
  .action(async (role, options) => {
    const { worker } = await import('./worker.ts');
    await worker(role, options);
  });

program
  .command('report')
  .description("copy a run's report out of the store")
  .argument('<run>', 'the workflow id')
  .requiredOption('--to <dir>', 'where report.html, metrics.json and the tables go')
  .option('--store <url>', 'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE)')
  .addHelpText('after', '\nExample:\n  retinopathy report dr-2026-11 --to ./report --store file:/data/store')
  .action(async (run, options) => {
    const { report } = await import('./report.ts');
    process.exitCode = await report(run, options);
  });

program
  .command('compare')
  .description('runs side by side: inputs that differ, figures, and whether they differ by more than chance')
  .argument('<run...>', 'two or more: workflow ids, or out folders of runs on this machine')
  .option('--store <url>', 'where their artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
  .option('--out <dir>', 'the folder of a run on this machine', './run')
  .option('--json', 'as JSON')
  .addHelpText('after', '\nExample:\n  retinopathy compare dr-2026-11 dr-2026-12 --store file:/data/store')
  .action(async (runs, options) => {
    const { compare } = await import('./compare.ts');
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
  .addHelpText('after', '\nExample:\n  retinopathy score test.zip --out /data/run')
  .action(async (archive, options) => {
    const { score } = await import('./score.ts');
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
    const { predict } = await import('./predict.ts');
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
  .option('--patch <pixels>', "diameter of what is covered at a time (default: a twelfth of the pictures' side)", count)
  .option('--grid <n>', 'places a row, and rows (default: twice as many as fit side by side)', count)
  .option('--store <url>', 'where its artifacts lie (default: RETINOPATHY_STORE, or the store of the out folder)')
  .option('--out <dir>', 'the folder of a run on this machine', './run')
  .addHelpText('after', '\nExample:\n  retinopathy explain 10_left --run ./run --to ./explained')
  .action(async (image, options) => {
    const { explain } = await import('./explain.ts');
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
    '\nExample:\n  TEMPORAL_ADDRESS=127.0.0.1:7233 retinopathy fork dr-2026-11 --split 1 --from-epoch 12 --set training.baseRate=0.001 --store file:/data/store',
  )
  .action(async (run, options) => {
    const { fork } = await import('./fork.ts');
    process.exitCode = await fork(run, options);
  });

program
  .command('submit')
  .description('hand a submission in to the competition, with the credentials of the download')
  .argument('<file>', 'submission.csv, as `retinopathy score` writes it')
  .requiredOption('--message <text>', 'what the list of submissions says beside it')
  .option('--competition <name>', 'its name in its address', 'diabetic-retinopathy-detection')
  .option('--source <source>', 'kaggle, or the URL of a Kaggle-compatible server', 'kaggle')
  .addHelpText('after', '\nExample:\n  retinopathy submit run/test/submission.csv --message "GoogLeNet, 30 epochs"')
  .action(async (file, options) => {
    const { submit } = await import('./submit.ts');
    process.exitCode = await submit(file, options);
  });

program
  .command('plan')
  .description('before a run: bytes to fetch, disk, hours, requests, histories and money, by a probe or an earlier run')
  .option('--source <source>', 'as of run')
  .option('--out <dir>', 'where the run would write', './run')
  .option('--input-file <file>', 'as of run')
  .option('--store <url>', 'as of run')
  .option('--until <stage>', 'as of run')
  .option('--set <path=value>', 'as of run (may be repeated)', collect, [])
  .option(
    '--from <run>',
    'take the times of this run: an out folder, or the id of one in the store (default: try this machine)',
  )
  .option('--gpus <n>', 'trainings at once (default: cores of this machine)', amount)
  .option('--per-gpu-hour <price>', 'of a graphics card', amount)
  .option('--per-cpu-hour <price>', 'of a core', amount)
  .option('--per-gb-month <price>', 'of the store', amount)
  .option('--currency <text>', 'of the prices', 'USD')
  .option('--json', 'as JSON')
  .addHelpText('after', '\nExample:\n  retinopathy plan --set synthetic.patients=40 --from ./run --per-gpu-hour 0.9')
  .action(async options => {
    const { plan } = await import('./plan.ts');
    process.exitCode = await plan(options);
  });

program
  .command('gc')
  .description('what lies in a store that no run refers to; shows it, and removes it with --delete')
  .option(
    '--store <url>',
    'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE, or the store of the out folder)',
  )
  .option('--out <dir>', 'the folder of a run on this machine', './run')
  .option('--delete', 'remove it')
  .option('--min-age <time>', 'leave what is younger: 30m, 24h, 7d', '24h')
  .option('--forget <run>', 'a run to give up, with all that only it refers to (may be repeated)', collect, [])
  .option('--json', 'as JSON')
  .addHelpText('after', '\nExample:\n  retinopathy gc --store file:/data/store --min-age 7d')
  .action(async options => {
    const { gc } = await import('./gc.ts');
    process.exitCode = await gc(options);
  });

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
    const { exportDigits } = await import('./export.ts');
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
    const { exportModel } = await import('./export.ts');
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
    const { exportWebDataset } = await import('./export.ts');
    process.exitCode = await exportWebDataset(dir, options);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`retinopathy: ${message}\n`);
    process.exitCode = error instanceof UserError ? error.exitCode : 1;
  }
}
// What was abandoned on the way, such as a build, must not hold the process; children end with it.
process.exit();
