/** Declares `retinopathy gc`. */
import type { Command } from 'commander';
import { collect, example, exits, OUT, printsItsResult } from './options.ts';

export function addGcCommand(program: Command): void {
  program
    .command('gc')
    .description('what lies in a store that no run refers to; shows it, and removes it with --delete')
    .option(
      '--store <url>',
      'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE, or the store of the out folder)',
    )
    .option(...OUT)
    .option('--delete', 'remove it')
    .option('--min-age <time>', 'leave what is younger: 30m, 24h, 7d', '24h')
    .option('--forget <run>', 'a run to give up, with all that only it refers to (may be repeated)', collect, [])
    .option('--json', 'as JSON')
    .addHelpText(...example('retinopathy gc --out ./run --min-age 7d'))
    .action(
      exits(async options => {
        if (!options.delete) printsItsResult();
        return (await import('../gc/collect.ts')).gc(options);
      }),
    );
}
