/** Declares `retinopathy plan`. */
import type { Command } from 'commander';
import { amount, collect, example, exits, printsItsResult } from './options.ts';

export function addPlanCommand(program: Command): void {
  program
    .command('plan')
    .description(
      'before a run: bytes to fetch, disk, hours, requests, histories and money, by a probe or an earlier run',
    )
    .option('--source <source>', 'as of run')
    .option('--out <dir>', 'where the run would write', './run')
    .option('--input-file <file>', 'as of run')
    .option('--store <url>', 'as of run')
    .option('--until <stage>', 'as of run')
    .option('--set <path=value>', 'as of run (may be repeated)', collect, [])
    .option(
      '--from <run>',
      'take the times of this run: an out folder, or the id of one in the store (default: try this machine)',
    )
    .option('--gpus <n>', 'trainings at once (default: graphics cards, or cores, of this machine)', amount)
    .option('--per-gpu-hour <price>', 'of a graphics card: its hours need --from a run that trained on one', amount)
    .option('--per-cpu-hour <price>', 'of a core', amount)
    .option('--per-gb-month <price>', 'of the store', amount)
    .option('--currency <text>', 'of the prices', 'USD')
    .option('--json', 'as JSON')
    .addHelpText(...example('retinopathy plan --set synthetic.patients=40 --from ./run --per-gpu-hour 0.9'))
    .action(
      exits(async options => {
        printsItsResult();
        return (await import('../estimate/plan.ts')).plan(options);
      }),
    );
}
