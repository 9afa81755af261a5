/** Declares `retinopathy ui`. */
import type { Command } from 'commander';
import { example, exits, port } from './options.ts';

export function addUiCommand(program: Command): void {
  program
    .command('ui')
    .description('the Web UI over the runs of an out folder, until Ctrl-C')
    .option('--out <dir>', 'the folder of a run', './run')
    .option('--port <port>', "port of Temporal's server", port)
    .option('--ui-port <port>', "port of Temporal's Web UI", port)
    .addHelpText(...example('retinopathy ui --out ./run --port 7233'))
    .action(exits(async options => (await import('../local/web-ui.ts')).ui(options)));
}
