/** Declares `retinopathy explain`. */
import type { Command } from 'commander';
import { count, example, exits, OUT, printsItsResult, RUN, STORE } from './options.ts';

export function addExplainCommand(program: Command): void {
  program
    .command('explain')
    .description(
      "one eye's way through a run: bytes, crop, fold, the four predictions by epoch, their shares in the stage, and what the networks look at",
    )
    .argument('<image>', 'an eye of the run, e.g. 10_left')
    .option(...RUN)
    .option('--to <dir>', 'compute an occlusion map of each split, and write <image>.png and <image>.json there')
    .option('--json', 'as JSON')
    .option(
      '--patch <pixels>',
      "diameter of what is covered at a time (default: a twelfth of the pictures' side)",
      count,
    )
    .option('--grid <n>', 'places a row, and rows (default: twice as many as fit side by side)', count)
    .option(...STORE)
    .option(...OUT)
    .addHelpText(...example('retinopathy explain 10_left --run ./run --to ./explained'))
    .action(
      exits(async (image, options) => {
        if (options.to === undefined) printsItsResult();
        return (await import('../results/explain.ts')).explain(image, options);
      }),
    );
}
