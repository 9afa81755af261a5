/** `npm run bench NAME`: measures on this machine, in one run, and prints a table. */

import { UserError } from '../../lib/user-error.ts';
import { asCommand } from './support/as-command.ts';

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
await asCommand(async () => {
  if (!load) {
    const names = Object.keys(BENCHES).join(', ');
    throw new UserError(`Expected a bench (${names}), got \`${name}\`: npm run bench NAME`, 2);
  }
  await (await load()).bench(args);
});
