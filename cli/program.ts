/** The `retinopathy` command: what it knows, and what each of its commands starts. */
import { Command } from 'commander';
import { addExporting } from './commands/exporting.ts';
import { addHousekeeping } from './commands/housekeeping.ts';
import { addResults } from './commands/results.ts';
import { addRunning } from './commands/running.ts';

/** The order is that of its help. Commands below it throw `CommanderError` instead of ending the process. */
export function createProgram(): Command {
  const program = new Command('retinopathy')
    .description('Diabetic retinopathy from photographs to a stage: a durable workflow on Temporal')
    .showHelpAfterError('(--help shows what there is)')
    .exitOverride()
    .configureOutput({ writeErr: text => process.stderr.write(text) });
  addRunning(program);
  addResults(program);
  addHousekeeping(program);
  addExporting(program);
  return program;
}
