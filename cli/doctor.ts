/** `retinopathy doctor`: what a run would find on this machine. */
import colors from 'picocolors';
import { examine } from '../bootstrap/doctor.ts';

const MARK = { ok: colors.green('✓'), warn: colors.yellow('!'), fail: colors.red('✗') };

/** @returns 1 when a run could not begin */
export async function doctor(options: { out: string }): Promise<number> {
  const findings = await examine(process.env, [options.out]);
  const width = Math.max(...findings.map(({ name }) => name.length));
  for (const { name, state, found } of findings) {
    process.stdout.write(`  ${MARK[state]} ${name.padEnd(width)}  ${found}\n`);
  }
  return findings.some(({ state }) => state === 'fail') ? 1 : 0;
}
