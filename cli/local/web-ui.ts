/** `retinopathy ui`: serves Temporal's Web UI for the runs of an out folder. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import colors from 'picocolors';
import { UserError } from '../../lib/user-error.ts';
import { createConsole } from '../ui/console.ts';
import { Stopped } from './interrupt.ts';
import { session } from './session.ts';

export async function ui({ out, port, uiPort }: { out: string; port?: number; uiPort?: number }): Promise<number> {
  const folder = resolve(out);
  await access(join(folder, 'temporal.db')).catch(() => {
    throw new UserError(`Expected --out to be the folder of a run, got ${folder}: no temporal.db in it`);
  });
  const screen = createConsole();
  return session({ screen, folder }, async session => {
    const store = (await session.out.readState())?.store ?? `file:${join(folder, 'store')}`;
    // Workflow code answers the details and queries of the Web UI, so a workflow worker must run.
    const { uiUrl, broken } = await session.start({ store, files: [], roles: ['workflow'], port, uiPort });
    screen.line(`  Web UI  ${colors.cyan(uiUrl)}   until Ctrl-C`);
    await session.race(broken).catch(error => {
      if (!(error instanceof Stopped)) throw error;
    });
    return 0;
  });
}
