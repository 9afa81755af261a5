/** Declares `retinopathy report`. */
import type { Command } from 'commander';
import { example, exits } from './options.ts';

export function addReportCommand(program: Command): void {
  program
    .command('report')
    .description("copy a run's report out of the store")
    .argument('<run>', 'the workflow id')
    .requiredOption('--to <dir>', 'where report.html, metrics.json and the tables go')
    .option('--store <url>', 'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE)')
    .addHelpText(...example('retinopathy report dr-2026-11 --to ./report --store file:./run/store'))
    .action(exits(async (run, options) => (await import('../results/copy-report.ts')).report(run, options)));
}
