/** `retinopathy ui`: Temporal's Web UI over the runs of an out folder. */
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import colors from 'picocolors';
import { findTemporalCli } from '../bootstrap/temporal-cli.ts';
import { watchParents } from '../system/parent-watch.ts';
import { createConsole } from './console.ts';
import { startEmbedded } from './embedded.ts';
import { openOutFolder } from './out-folder.ts';
import { withPorts } from './ports.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export async function ui(options: { out: string; port?: number; uiPort?: number }): Promise<number> {
  const database = join(resolve(options.out), 'temporal.db');
  await access(database).catch(() => {
    throw new UserError(`Expected --out to be the folder of a run, got ${resolve(options.out)}: no temporal.db in it`);
  });
  const screen = createConsole();
  const out = await openOutFolder(options.out);
  const stop = stopSignal();
  const orphaned = await watchParents(reason => stop.trigger(new Stopped(reason, 129)));
  try {
    const state = await out.readState();
    const temporal = await findTemporalCli({ env: process.env, report: line => screen.line(`  ${line}`) });
    const store = state?.store ?? `file:${join(out.path, 'store')}`;
    const embedded = await withPorts(options, ports =>
      startEmbedded({ temporal: temporal.path, out, store, ...ports }),
    );
    try {
      // The details and queries in the Web UI are answered by workflow code.
      await embedded.startWorkers(['workflow']);
      screen.line(`  Web UI  ${colors.cyan(embedded.uiUrl)}   until Ctrl-C`);
      await stop.race(embedded.broken);
    } finally {
      await embedded.stop();
    }
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
  } finally {
    orphaned.stop();
    out.release();
    stop.release();
  }
  return 0;
}
