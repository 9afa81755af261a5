/** Declares `retinopathy doctor`. */
import type { Command } from 'commander';
import colors from 'picocolors';
import { example, exits, printsItsResult } from './options.ts';

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('what was found on this machine: Temporal CLI, Caffe, proxy, disk, memory')
    .option('--out <dir>', 'where a run would write', './run')
    .addHelpText(...example('retinopathy doctor'))
    .action(
      exits(async options => {
        printsItsResult();
        return printFindings(options);
      }),
    );
}

const MARK = { ok: colors.green('✓'), warn: colors.yellow('!'), fail: colors.red('✗') };

/** Prints what a run would find on this machine. @returns 1 when a run could not start */
async function printFindings(options: { out: string }): Promise<number> {
  const { examine } = await import('../../lib/tools/doctor.ts');
  const findings = await examine(process.env, [options.out]);
  const width = Math.max(...findings.map(({ name }) => name.length));
  for (const { name, state, found } of findings) {
    process.stdout.write(`  ${MARK[state]} ${name.padEnd(width)}  ${found}\n`);
  }
  return findings.some(({ state }) => state === 'fail') ? 1 : 0;
}
