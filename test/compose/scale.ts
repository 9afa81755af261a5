/** Preparing by one cpu worker that is held to half a core, and by two of them. */
import { UserError } from '../../lib/user-error.ts';
import type { Stack } from './stack.ts';

const BAR = 1.7;
const ROUNDS = 3;
/** Other pictures each time, so that none are found made before: the border trim is finer by nothing that can be seen. */
const input = (n: number) => ({
  synthetic: { patients: 200, seed: 5 },
  images: { size: 128, shardSize: 16, fuzz: 0.15 + n * 1e-6 },
  until: 'prepare',
});

export async function scale(stack: Stack, report: (line: string) => void): Promise<void> {
  await stack.compose('build');
  const seconds = { 1: [] as number[], 2: [] as number[] };
  let n = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    for (const workers of [1, 2] as const) {
      await stack.up('--scale', `cpu-worker=${workers}`, '--no-recreate');
      n += 1;
      const took = await prepare(stack, n);
      // The first round draws the eyes and starts every process.
      if (round === 0) continue;
      seconds[workers].push(took);
      report(`${workers} worker${workers === 1 ? '' : 's'} of half a core: prepared in ${took.toFixed(1)} s`);
    }
  }
  const ratio = median(seconds[1]) / median(seconds[2]);
  report(`two prepare at ${ratio.toFixed(2)} times the speed of one (medians of ${ROUNDS})`);
  if (ratio < BAR)
    throw new UserError(`Expected two workers to prepare at ${BAR} times the speed of one, got ${ratio.toFixed(2)}`);
}

/** @returns seconds from the start of the stage to its end */
async function prepare(stack: Stack, n: number): Promise<number> {
  const id = `scale-${n}`;
  await stack.withClient(client =>
    client.workflow.start('retinopathyPipeline', { workflowId: id, taskQueue: 'retinopathy', args: [input(n)] }),
  );
  await stack.finished(id);
  return stack.withClient(async client => {
    const { startTime, closeTime } = await client.workflow.getHandle(`${id}/prepare`).describe();
    return (closeTime!.getTime() - startTime.getTime()) / 1000;
  });
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
