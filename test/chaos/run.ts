/** One run of the pipeline, left alone or not, and what came of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Outcome, outcomeOf } from '../../cli/chaos/outcome.ts';
import type { Harm } from '../../cli/chaos/strike.ts';
import { type Strike, strike } from '../../cli/chaos/strike.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import type { Random } from '../../lib/random.ts';
import { type Installation, install } from './installation.ts';

export interface RunOutcome extends Outcome {
  seconds: number;
  /** How often each kind of harm was done. */
  harm: Map<string, number>;
  restarts: string[];
}

export interface Trouble {
  harms: readonly Harm<Installation>[];
  random: Random;
  /** Milliseconds between two harms, from and to. */
  every: readonly [number, number];
  /** How often each kind comes at most; default: without end. */
  each?: number;
  report(line: string): void;
}

const RUN = 'chaos';

/** @param trouble undefined for a calm run */
export async function runOnce(
  folder: string,
  input: PartialPipelineInput,
  signal: AbortSignal,
  trouble?: Trouble,
): Promise<RunOutcome> {
  const installation = await install(folder);
  const harm = new Map<string, number>();
  const ending = new AbortController();
  const either = AbortSignal.any([signal, ending.signal]);
  try {
    const began = performance.now();
    const { embedded } = installation;
    const handle = await embedded.client.workflow.start('retinopathyPipeline', {
      taskQueue: 'retinopathy',
      workflowId: RUN,
      args: [input],
    });
    const harming = trouble ? doHarm(installation, trouble, harm, either) : Promise.resolve();
    harming.catch(() => {});
    const stopped = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    );
    await Promise.race([finished(installation, handle.workflowId, either), embedded.broken, stopped]);
    const seconds = (performance.now() - began) / 1000;
    ending.abort();
    await harming;
    return { ...(await outcomeOf(installation.store, RUN)), seconds, harm, restarts: installation.restarts };
  } finally {
    ending.abort();
    await installation.close();
  }
}

/** Asks again when the server was killed in the middle of a question. */
async function finished({ embedded }: Installation, id: string, signal: AbortSignal): Promise<void> {
  const handle = embedded.client.workflow.getHandle(id);
  while (!signal.aborted) {
    const status = await handle.describe().then(
      ({ status }) => status.name,
      () => 'RUNNING',
    );
    if (status === 'COMPLETED') return;
    if (status !== 'RUNNING') {
      await handle.result();
      throw new Error(`Expected the run to complete, got ${status}`);
    }
    await sleep(500);
  }
}

function doHarm(
  installation: Installation,
  { harms, report, ...trouble }: Trouble,
  done: Map<string, number>,
  signal: AbortSignal,
): Promise<void> {
  const began = Date.now();
  const onStrike = ({ name, at }: Strike) => {
    done.set(name, (done.get(name) ?? 0) + 1);
    report(`${((at - began) / 1000).toFixed(0).padStart(4)} s  ${name}`);
  };
  return strike(installation, harms, { ...trouble, onStrike }, signal);
}
