/** Commands about what runs take: before one, and after all. */
import type { Command } from 'commander';
import { amount, collect } from '../option-values.ts';

export function addHousekeeping(program: Command): void {
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
    .addHelpText('after', '\nExample:\n  retinopathy plan --set synthetic.patients=40 --from ./run --per-gpu-hour 0.9')
    .action(async options => {
      const { plan } = await import('../plan.ts');
      process.exitCode = await plan(options);
    });

  program
    .command('gc')
    .description('what lies in a store that no run refers to; shows it, and removes it with --delete')
    .option(
      '--store <url>',
      'file:DIR or s3://bucket/prefix (default: RETINOPATHY_STORE, or the store of the out folder)',
    )
    .option('--out <dir>', 'the folder of a run on this machine', './run')
    .option('--delete', 'remove it')
    .option('--min-age <time>', 'leave what is younger: 30m, 24h, 7d', '24h')
    .option('--forget <run>', 'a run to give up, with all that only it refers to (may be repeated)', collect, [])
    .option('--json', 'as JSON')
    .addHelpText('after', '\nExample:\n  retinopathy gc --out ./run --min-age 7d')
    .action(async options => {
      const { gc } = await import('../gc.ts');
      process.exitCode = await gc(options);
    });
}
