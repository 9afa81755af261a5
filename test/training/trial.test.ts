/** What a worker says of a card that its Caffe cannot train on: the real Caffe, and stand-ins that end as Caffe does on such cards. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { lacksCuda, tryOut } from '../../activities/caffe/smoke-test.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
const K80 = { number: 1, about: 'Tesla K80, compute capability 3.7, 11441 MiB' };

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
});
afterAll(() => services.close());

/** Tries a Caffe that says the line and ends with the code. */
async function tryStandIn(line: string, code = 134): Promise<void> {
  const script = join(services.folder, 'caffe');
  const [level = '', text] = [line[0], line.slice(2)];
  await writeFile(
    script,
    `#!/bin/sh\necho "${level}20261123 07:33:05.950682 18602 common.cpp:66] ${text}" >&2\nexit ${code}\n`,
    {
      mode: 0o755,
    },
  );
  const caffe: Caffe = { command: (_tool, args) => [script, ...args], version: 'stand-in', env: {} };
  return tryOut({ ...services, caffe: async () => caffe }, K80);
}

describe('the real Caffe', () => {
  test('trains an iteration on the CPU', async () => {
    await tryOut(services, null);
  });

  test('was built without CUDA, and says so of a card', async () => {
    expect(await lacksCuda(services)).toBe(true);
    await expect(tryOut(services, { number: 0, about: '' })).rejects.toThrow(
      'Expected Caffe to train an iteration on graphics card 0, got a Caffe that was built without CUDA ' +
        '(`Cannot use GPU in CPU-only Caffe: check mode.`): set CAFFE to one with it',
    );
  });
});

describe('a card', () => {
  test.each([
    ['F Check failed: error == cudaSuccess (100 vs. 0)  no CUDA-capable device is detected', 'no device that CUDA'],
    ['F Check failed: error == cudaSuccess (35 vs. 0)  CUDA driver version is insufficient for CUDA', 'no device that'],
    ['F Check failed: error == cudaSuccess (10 vs. 0)  invalid device ordinal', 'no card of that number'],
    [
      'F Check failed: error == cudaSuccess (48 vs. 0)  no kernel image is available for execution on the device',
      'a compute capability that this Caffe has no code for',
    ],
    ['F Check failed: error == cudaSuccess (8 vs. 0)  invalid device function', 'a compute capability that'],
    ['F Check failed: status == CUDNN_STATUS_SUCCESS (6 vs. 0)  CUDNN_STATUS_ARCH_MISMATCH', 'a compute capability'],
    ['F Check failed: error == cudaSuccess (2 vs. 0)  out of memory', 'no memory on it'],
    ['F Failed to allocate 4096 bytes on device 1. (0) [GPU1]', 'no memory on it'],
    [
      'F Check failed: error == cudaSuccess (46 vs. 0)  all CUDA-capable devices are busy or unavailable',
      'a card that',
    ],
    ['F Something new', '`Something new`'],
  ])('%s', async (line, what) => {
    const failure = await tryStandIn(line).catch(error => error);
    const where = 'graphics card 1 (Tesla K80, compute capability 3.7, 11441 MiB)';
    expect(failure.message).toContain(`Expected Caffe to train an iteration on ${where}, got ${what}`);
    expect(failure.message).toContain(line.slice(2).replaceAll(/\s+/g, ' '));
    expect(failure.message).not.toContain('\n');
  });

  test('an end with code 0 is no proof', async () => {
    await expect(tryStandIn('I Starting Optimization', 0)).rejects.toThrow(/before its first iteration/);
    await tryStandIn('I Optimization Done in 2s', 0);
  });
});
