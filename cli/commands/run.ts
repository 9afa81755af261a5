/** Declares `retinopathy run`. */
import type { Command } from 'commander';
import { collect, count, example, exits, PORT, UI_PORT } from './options.ts';

export function addRunCommand(program: Command): void {
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
    .option(...PORT)
    .option(...UI_PORT)
    .allowExcessArguments(false)
    .addHelpText(...example('retinopathy run --set synthetic.patients=40 --set training.epochs=2 --out ./run'))
    .action(
      exits(async options => {
        if (options.chaos === undefined) return (await import('../local/run.ts')).run(options);
        return (await import('../chaos/run-with-chaos.ts')).chaos(options);
      }),
    );
}
