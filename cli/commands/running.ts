/** Commands that run the job, on this machine or on a Temporal service. */
import type { Command } from 'commander';
import { collect, count, port } from '../option-values.ts';

export function addRunning(program: Command): void {
  program
    .command('run', { isDefault: true })
    .description('run the whole job on this machine, or go on with it where it was')
    .option(
      '--source <source>',
      'synthetic, kaggle, a folder that holds the parts, or the URL of a Kaggle-compatible server',
    )
    .option('--out <dir>', 'everything the run writes', './run')
    .option(
      '--input-file <file>',
      "the pipeline's input as JSON, over the defaults (config/demo.json for made-up eyes)",
    )
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
    .addHelpText(
      'after',
      '\nExample:\n  retinopathy run --set synthetic.patients=40 --set training.epochs=2 --out ./run',
    )
    .action(async options => {
      if (options.chaos === undefined) {
        const { run } = await import('../run.ts');
        process.exitCode = await run(options);
      } else {
        const { chaos } = await import('../chaos.ts');
        process.exitCode = await chaos(options);
      }
    });

  program
    .command('doctor')
    .description('what was found on this machine: Temporal CLI, Caffe, proxy, disk, memory')
    .option('--out <dir>', 'where a run would write', './run')
    .addHelpText('after', '\nExample:\n  retinopathy doctor')
    .action(async options => {
      const { doctor } = await import('../doctor.ts');
      process.exitCode = await doctor(options);
    });

  program
    .command('ui')
    .description('the Web UI over the runs of an out folder, until Ctrl-C')
    .option('--out <dir>', 'the folder of a run', './run')
    .option('--port <port>', "port of Temporal's server", port)
    .option('--ui-port <port>', "port of Temporal's Web UI", port)
    .addHelpText('after', '\nExample:\n  retinopathy ui --out ./run --port 7233')
    .action(async options => {
      const { ui } = await import('../ui.ts');
      process.exitCode = await ui(options);
    });

  program
    .command('watch')
    .description('follow a run on the Temporal service of the environment (TEMPORAL_ADDRESS, temporal.toml)')
    .argument('<run>', 'the workflow id')
    .addHelpText('after', '\nExample:\n  TEMPORAL_ADDRESS=127.0.0.1:7233 retinopathy watch dr-2026-11')
    .action(async run => {
      const { watch } = await import('../watch.ts');
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
    .addHelpText(
      'after',
      '\nExample:\n  TEMPORAL_ADDRESS=127.0.0.1:7233 RETINOPATHY_STORE=file:./run/store retinopathy worker gpu --exit-when-idle 10m',
    )
    .action(async (role, options) => {
      const { worker } = await import('../worker.ts');
      await worker(role, options);
    });

  program
    .command('report')
    .description("copy a run's report out of the store")
    .argument('<run>', 'the workflow id')
    .requiredOption('--to <dir>', 'where report.html, metrics.json and the tables go')
    .option('--store <url>', 'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE)')
    .addHelpText('after', '\nExample:\n  retinopathy report dr-2026-11 --to ./report --store file:./run/store')
    .action(async (run, options) => {
      const { report } = await import('../report.ts');
      process.exitCode = await report(run, options);
    });
}
