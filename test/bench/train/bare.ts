/** Caffe as a person would run it by hand: one process, one folder, no pipeline. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseLogLine } from '../../../activities/caffe/caffe-log.ts';
import { FILES, trainNet } from '../../../activities/caffe/network.ts';
import { printPrototxt } from '../../../activities/caffe/prototxt.ts';
import { segmentSolver } from '../../../activities/caffe/solver.ts';
import type { ActivityServices } from '../../../activities/dependencies.ts';
import { readInputs } from '../../../activities/training/inputs.ts';
import { segmentAt } from '../../../activities/training/segment-keys.ts';
import type { TrainingArgs } from '../../../activities/training/types.ts';
import { placeDatabase, placeNetFiles } from '../../../activities/training/workspace.ts';
import { runChild } from '../../../lib/process/child-process.ts';

export interface BareRun {
  /** Of the process, from its start to its end. */
  seconds: number;
  /** Of these before the first iteration. */
  starting: number;
}

/**
 * `caffe train` over `iterations` of the first database with the pipeline's own net and solver. Its files are put there before the
 * clock starts.
 */
export async function trainBare(
  services: ActivityServices,
  args: TrainingArgs,
  iterations: number,
  signal: AbortSignal,
): Promise<BareRun> {
  const folder = join(services.scratch, 'bare');
  await mkdir(join(folder, 'snapshot'), { recursive: true });
  try {
    const inputs = await readInputs(services, args);
    const planned = segmentAt(inputs.chain, 0);
    const solver = segmentSolver({ ...planned, from: 0, to: iterations }, inputs.iterations, args.training);
    await placeNetFiles(services, inputs, folder);
    await placeDatabase(services, inputs.databases.get(planned.database.name)!, folder);
    await writeFile(join(folder, FILES.net), printPrototxt(trainNet(inputs.template, inputs.options)));
    await writeFile(join(folder, FILES.solver), printPrototxt(solver));
    const caffe = await services.caffe();
    const began = performance.now();
    let starting: number | undefined;
    const { code, tail } = await runChild(caffe.command('caffe', ['train', `--solver=${FILES.solver}`]), {
      cwd: folder,
      env: { ...process.env, ...caffe.env },
      signal,
      stopSignal: 'SIGKILL',
      onLine: line => {
        if (starting === undefined && parseLogLine(line)?.kind === 'iteration')
          starting = (performance.now() - began) / 1000;
      },
    });
    signal.throwIfAborted();
    if (code !== 0 || starting === undefined)
      throw new Error(`Expected caffe train to end with status 0, got ${code}: ${tail.slice(-3).join(' / ')}`);
    return { seconds: (performance.now() - began) / 1000, starting };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
