/** Declares `retinopathy submit`. */
import type { Command } from 'commander';
import { example, exits } from './options.ts';

export function addSubmitCommand(program: Command): void {
  program
    .command('submit')
    .description('hand a submission in to the competition, with the credentials of the download')
    .argument('<file>', 'submission.csv, as `retinopathy score` writes it')
    .requiredOption('--message <text>', 'what the list of submissions says beside it')
    .option('--competition <name>', 'its name in its address', 'diabetic-retinopathy-detection')
    .option('--source <source>', 'kaggle, or the URL of a Kaggle-compatible server', 'kaggle')
    .addHelpText(...example('retinopathy submit ./run/test/submission.csv --message "small network, 2 epochs"'))
    .action(exits(async (file, options) => (await import('../results/submit.ts')).submit(file, options)));
}
