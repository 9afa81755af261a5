/** Declares `retinopathy fork`. */
import type { Command } from 'commander';
import { collect, count, example, exits, OUT, PORT, STORE, split, UI_PORT } from './options.ts';

export function addForkCommand(program: Command): void {
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
    .option(...STORE)
    .option(...OUT)
    .option(...PORT)
    .option(...UI_PORT)
    .addHelpText(
      ...example('retinopathy fork ./run --split 1 --from-epoch 1 --set training.baseRate=0.001 --name slower'),
    )
    .action(exits(async (run, options) => (await import('../local/fork.ts')).fork(run, options)));
}
