/** Declares `retinopathy score`. */
import type { Command } from 'commander';
import { count, example, exits, PORT, share, UI_PORT } from './options.ts';

export function addScoreCommand(program: Command): void {
  program
    .command('score')
    .description('stages of an archive without grades, by the networks of a finished run: a submission')
    .argument('[archive]', 'its name', 'test.zip')
    .option('--run <run>', 'the workflow id (default: the run of the out folder)')
    .option('--out <dir>', 'the folder of a run on this machine; submission.csv goes into a folder of it', './run')
    .option('--source <source>', "where the archive is, as for run (default: where the run's own was)")
    .option('--store <url>', 'where artifacts lie (default: the store of the out folder)')
    .option('--parts <n>', 'how many parts it has (default: 7)', count)
    .option('--max-quarantined <share>', "share of pictures that may be set aside (default: the run's own)", share)
    .option(...PORT)
    .option(...UI_PORT)
    .addHelpText(...example('retinopathy score test.zip --out ./run'))
    .action(exits(async (archive, options) => (await import('../local/score.ts')).score(archive, options)));
}
