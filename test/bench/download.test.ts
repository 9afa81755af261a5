/** The bench of the download on little data: what it prints, and what it leaves behind. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runChild, startChild } from '../../lib/process/child-process.ts';
import { processesMentioning } from '../support/processes.ts';
import { barsOf } from './download/bars.ts';
import type { Figures } from './download/measure.ts';
import { median, memoryOf, rateOf } from './download/tables.ts';

const figures = (
  name: string,
  rates: number[],
  memory: (number | null)[] = rates.map(() => 1e6),
  cpu = 1,
): Figures => ({
  name,
  measurements: rates.map((bytesPerSecond, n) => ({
    bytesPerSecond,
    memory: memory[n]!,
    cpuSecondsPerGB: cpu,
    connections: 20,
  })),
});

describe('figures', () => {
  test('the median is the middle one, or halfway between the two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 6])).toBe(5.5);
    expect(rateOf(figures('each', [400, 100, 300]))).toBe(300);
  });

  test('memory is the most of all rounds, and nothing where the system does not tell', () => {
    expect(memoryOf(figures('each', [1, 1, 1], [10, 30, 20]))).toBe(30);
    expect(memoryOf(figures('each', [1, 1], [null, null]))).toBeNull();
  });

  test('bars are held against the CPU of aria2c, the memory, and what limited connections or the machine allow', () => {
    const met = ({ free = 900e6, held = 480e6, memory = 100e6, cpu = 1.9 }) =>
      barsOf(
        [{ name: 'ours', free: figures('ours', [free], [memory], cpu), held: figures('ours', [held]), memory: 200e6 }],
        figures('aria2c', [500e6]),
      ).map(bar => bar.met);
    expect(met({})).toEqual([true, true, true]);
    expect(met({ cpu: 2.1 })).toEqual([false, true, true]);
    expect(met({ memory: 201e6 })).toEqual([true, false, true]);
    expect(met({ held: 470e6 })).toEqual([true, true, false]);
    // A machine that gives no more than 450 MB/s cannot give 500 when its connections are limited.
    expect(met({ free: 450e6, held: 440e6 })).toEqual([true, true, true]);
    expect(
      barsOf([{ name: 'ours', free: figures('ours', [1]), held: figures('ours', [1]), memory: 1 }], undefined),
    ).toHaveLength(2);
  });
});

describe('a run', () => {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bench-test-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const command = (...options: string[]) => [
    process.execPath,
    '--import',
    'tsx',
    'test/bench/main.ts',
    'download',
    '--folder',
    folder,
    ...options,
  ];

  test('measures, prints the tables and cleans up', async () => {
    const lines: string[] = [];
    const { code, tail } = await runChild(command('--gib', '0.02', '--rounds', '1'), {
      onLine: line => lines.push(line),
    });
    expect(code, tail.join('\n')).toBe(0);
    const printed = lines.join('\n');
    expect(printed).toMatch(/^retinopathy → file store +\d/m);
    expect(printed).toMatch(/^retinopathy → S3 store +\d/m);
    expect(printed).toMatch(/^wget in 2015.* 9\.49 .*1 h 01 min$/m);
    expect(printed).toMatch(/^connections of 25 MB\/s/m);
    expect(printed).toMatch(/^retinopathy → file store: memory +≤ 120/m);
    expect(await readdir(folder)).toEqual([]);
  }, 180_000);

  test('leaves neither a process nor a file when it is stopped in the middle', async () => {
    const child = await startChild(command('--gib', '0.1', '--rounds', '1000'), {
      // The first client has been measured, the next is at work or about to be.
      onLine: line => line.startsWith('round 1') && child.kill('SIGINT'),
    });
    expect((await child.exited).code).toBe(130);
    expect(await readdir(folder)).toEqual([]);
    expect(await processesMentioning(folder)).toEqual([]);
  });

  test('says in one line what it cannot do', async () => {
    const { code, tail } = await runChild([process.execPath, '--import', 'tsx', 'test/bench/main.ts', 'downlaod']);
    expect(code).toBe(2);
    expect(tail.join('\n')).toMatch(/^Expected a bench \(download, .+\), got `downlaod`: npm run bench NAME$/);
  });
});
