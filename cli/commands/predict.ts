/** Declares `retinopathy predict`. */
import type { Command } from 'commander';
import { example, exits, OUT, printsItsResult, RUN, STORE } from './options.ts';

export function addPredictCommand(program: Command): void {
  program
    .command('predict')
    .description('the stage of photographs of your own, by the networks and the regression of a run')
    .argument('<file...>', 'JPEG photographs, or folders of them; <patient>_left and <patient>_right are fellow eyes')
    .option(...RUN)
    .option(...STORE)
    .option(...OUT)
    .option('--csv <file>', 'write a table there (default for folders: to standard output)')
    .addHelpText(...example('retinopathy predict 10_left.jpeg 10_right.jpeg --run ./run'))
    .action(
      exits(async (files, options) => {
        if (options.csv === undefined) printsItsResult();
        return (await import('../results/predict.ts')).predict(files, options);
      }),
    );
}
