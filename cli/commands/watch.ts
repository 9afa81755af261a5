/** Declares `retinopathy watch`. */
import type { Command } from 'commander';
import { example, exits, printsItsResult } from './options.ts';

export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('follow a run on the Temporal service of the environment (TEMPORAL_ADDRESS, temporal.toml)')
    .argument('<run>', 'the workflow id')
    .addHelpText(...example('TEMPORAL_ADDRESS=127.0.0.1:7233 retinopathy watch dr-2026-11'))
    .action(
      exits(async run => {
        printsItsResult();
        return (await import('../ui/watch.ts')).watch(run);
      }),
    );
}
