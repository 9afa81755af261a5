/** `retinopathy watch`: follows a run on any Temporal service. */
import { Client, Connection } from '@temporalio/client';
import { temporalService, unreachable } from '../workers/connection.ts';
import type { retinopathyPipeline } from '../workflows/retinopathy-pipeline.ts';
import { createConsole } from './console.ts';
import { resultOf } from './execution.ts';
import { follow } from './follow.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export async function watch(run: string): Promise<number> {
  const service = temporalService(process.env);
  const connection = await Connection.connect(service.connectionOptions).catch(error => {
    throw new UserError(unreachable(service, error).message);
  });
  try {
    const client = new Client({ connection, namespace: service.namespace });
    const handle = client.workflow.getHandle<typeof retinopathyPipeline>(run);
    await handle.describe().catch(error => {
      throw new UserError(`Expected a run ${run} at ${service.address}, got: ${error.message}`);
    });
    const screen = createConsole();
    const stop = stopSignal();
    const following = new AbortController();
    const followed = follow({ client, handle, run, screen, signal: following.signal });
    try {
      await stop.race(followed);
    } catch (error) {
      if (error instanceof Stopped) return error.exitCode;
      throw error;
    } finally {
      following.abort();
      await followed.catch(() => {});
      stop.release();
    }
    const { figures, report } = await resultOf(handle);
    for (const [name, value] of Object.entries(figures)) screen.line(`  ${name} ${value}`);
    if (report !== null) screen.line(`  The report lies at ${report} in the store: retinopathy report ${run} --to DIR`);
    return 0;
  } finally {
    await connection.close();
  }
}
