/** Many pipelines with tiny inputs, started at once: none fails, and the worker of workflows keeps within its memory. */
import { setTimeout as sleep } from 'node:timers/promises';
import { duration } from '../../lib/format.ts';
import { runChild } from '../../lib/process/child-process.ts';
import type { Stack } from './stack.ts';

/** The pictures are the same for all, the trainings each one's own. */
const input = (n: number) => ({
  synthetic: { patients: 20, seed: 3 },
  images: { size: 64, shardSize: 32 },
  folds: { validation: 0.3, test: 0.3 },
  training: { epochs: 1, batch: 4, seed: n },
});
const EVERY_MS = 5_000;

export async function many(
  stack: Stack,
  pipelines: number,
  signal: AbortSignal,
  report: (line: string) => void,
): Promise<void> {
  await stack.compose('build');
  await stack.up();
  const began = performance.now();
  await stack.withClient(client =>
    Promise.all(
      Array.from({ length: pipelines }, (_, n) =>
        client.workflow.start('retinopathyPipeline', {
          workflowId: `many-${n + 1}`,
          taskQueue: 'retinopathy',
          args: [input(n + 1)],
        }),
      ),
    ),
  );
  report(`${pipelines} pipelines started in ${duration((performance.now() - began) / 1000)}`);
  const [worker = ''] = await stack.containers('workflow-worker');
  let most = 0;
  let said = 0;
  for (;;) {
    most = Math.max(most, await memoryOf(worker));
    const count = (status: string) =>
      stack.withClient(
        async client =>
          (await client.workflow.count(`WorkflowType = 'retinopathyPipeline' AND ExecutionStatus = '${status}'`)).count,
      );
    const [completed, running] = [await count('Completed'), await count('Running')];
    if (completed > said) {
      said = completed;
      report(
        `${duration((performance.now() - began) / 1000).padStart(7)}  ${completed} completed, ${running} running, workflow worker ${most} MiB at most`,
      );
    }
    // What is started appears among the counted with some delay.
    if (running === 0 && completed > 0) {
      if (completed !== pipelines) throw new Error(`Expected ${pipelines} pipelines to complete, got ${completed}`);
      break;
    }
    await sleep(EVERY_MS, undefined, { signal });
  }
  const [restarts] = await stack.inspect('workflow-worker', '{{.RestartCount}}');
  if (restarts !== '0') throw new Error(`Expected the worker of workflows to live on, got ${restarts} restarts`);
  report(`none failed; the worker of workflows took ${most} MiB at most`);
}

/** MiB. */
async function memoryOf(container: string): Promise<number> {
  const { tail } = await runChild(['docker', 'stats', '--no-stream', '--format', '{{.MemUsage}}', container], {
    env: process.env,
  });
  const [, number = '0', unit] = /^([\d.]+)(KiB|MiB|GiB)/.exec(tail.at(-1) ?? '') ?? [];
  return Math.round(Number(number) * { KiB: 1 / 1024, MiB: 1, GiB: 1024 }[unit as 'KiB']!);
}
