/** `retinopathy watch`: follows a run on any Temporal service. */
import { reasonOf } from '../../lib/quote.ts';
import { UserError } from '../../lib/user-error.ts';
import type { retinopathyPipeline } from '../../workflows/retinopathy-pipeline.ts';
import { Stopped, untilStopped } from '../local/interrupt.ts';
import { checkRunId, resultOf } from '../local/pipeline-client.ts';
import { onTemporalService } from '../local/temporal-service.ts';
import { createConsole } from './console.ts';
import { follow } from './watch-progress.ts';

export async function watch(run: string): Promise<number> {
  checkRunId(run);
  return onTemporalService(async (client, address) => {
    const handle = client.workflow.getHandle<typeof retinopathyPipeline>(run);
    const { type } = await handle.describe().catch(error => {
      throw new UserError(`Expected a run ${run} at ${address}, got: ${reasonOf(error)}`);
    });
    if (type !== 'retinopathyPipeline')
      throw new UserError(`Expected ${run} at ${address} to be a run (retinopathyPipeline), got a ${type}`);
    const screen = createConsole();
    const stopped = await untilStopped(signal => follow({ client, handle, run, screen, signal }));
    if (stopped instanceof Stopped) return stopped.exitCode;
    const { figures, report } = await resultOf(handle);
    for (const [name, value] of Object.entries(figures)) screen.line(`  ${name} ${value}`);
    if (report !== null) screen.line(`  The report lies at ${report} in the store: retinopathy report ${run} --to DIR`);
    return 0;
  });
}
