/** Declares `retinopathy compare`. */
import type { Command } from 'commander';
import { example, exits, OUT, printsItsResult, STORE } from './options.ts';

export function addCompareCommand(program: Command): void {
  program
    .command('compare')
    .description('runs side by side: inputs that differ, figures, and whether they differ by more than chance')
    .argument('<run...>', 'two or more: workflow ids, or out folders of runs on this machine')
    .option(...STORE)
    .option(...OUT)
    .option('--json', 'as JSON')
    .addHelpText(...example('retinopathy compare ./run slower'))
    .action(
      exits(async (runs, options) => {
        printsItsResult();
        return (await import('../results/compare.ts')).compare(runs, options);
      }),
    );
}
