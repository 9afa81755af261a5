/** Declares `retinopathy worker`. */
import type { Command } from 'commander';
import { example } from './options.ts';

export function addWorkerCommand(program: Command): void {
  program
    .command('worker')
    .description('join a worker to the Temporal service of the environment; RETINOPATHY_STORE names the store')
    .argument('<role>', 'workflow, cpu or gpu')
    .option(
      '--exit-when-idle <time>',
      'end, with code 0, after so long without an activity: 90s, 10m, 1.5h (default: stay)',
    )
    .addHelpText(
      ...example(
        'TEMPORAL_ADDRESS=127.0.0.1:7233 RETINOPATHY_STORE=file:./run/store retinopathy worker gpu --exit-when-idle 10m',
      ),
    )
    .action(async (role, options) => (await import('../local/worker.ts')).worker(role, options));
}
