/**
 * Where the time of a whole run goes: the demo (or what `npm start`'s options say), from an empty out folder, with every tool in the
 * cache. Seconds a stage.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Metrics } from '../../activities/report/types.ts';
import { duration, table } from '../../lib/format.ts';
import { runChild } from '../../lib/process/child-process.ts';

/** @param args options of `retinopathy run` */
export async function bench(args: readonly string[]): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'bench-pipeline-'));
  try {
    const started = performance.now();
    const { code, tail } = await runChild(
      [process.execPath, 'cli/start.mjs', 'run', '--no-keep', '--out', out, ...args],
      {
        onLine: line => process.stdout.write(`${line}\n`),
      },
    );
    const all = (performance.now() - started) / 1000;
    if (code !== 0) throw new Error(`Expected the run to end with status 0, got ${code}: ${tail.at(-1)}`);
    const metrics = JSON.parse(await readFile(join(out, 'report/metrics.json'), 'utf8')) as Metrics;
    const stages = metrics.work.stages ?? [];
    const rows = [
      ['stage', 'time', 'share'],
      ...stages.map(({ name, seconds }) => [name, duration(seconds), `${((100 * seconds) / all).toFixed(0)} %`]),
      ['all, with starting and stopping', duration(all), '100 %'],
    ];
    process.stdout.write(`\n${table(rows).join('\n')}\nTrainings run side by side: their shares overlap.\n`);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
