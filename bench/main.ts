/** `npm run bench NAME`: measures on this machine, in one run, and prints a table. */
import { CommanderError } from 'commander';
import { Stopped } from '../cli/stop-signal.ts';
import { UserError } from '../cli/user-error.ts';

const BENCHES: Record<string, () => Promise<{ bench(args: readonly string[]): Promise<void> }>> = {
  download: () => import('./download.ts'),
  'full-count': () => import('./full-count.ts'),
  pipeline: () => import('./pipeline.ts'),
  prepare: () => import('./prepare.ts'),
  regress: () => import('./regress.ts'),
  train: () => import('./train.ts'),
};

const [name = '', ...args] = process.argv.slice(2);
const load = BENCHES[name];
try {
  if (!load) {
    const names = Object.keys(BENCHES).join(', ');
    throw new UserError(`Expected a bench (${names}), got \`${name}\`: npm run bench NAME`, 2);
  }
  await (await load()).bench(args);
} catch (error) {
  if (!(error instanceof UserError || error instanceof Stopped || error instanceof CommanderError)) throw error;
  // Commander has said it already.
  if (!(error instanceof CommanderError)) process.stderr.write(`${error.message}\n`);
  process.exitCode = error.exitCode;
}
