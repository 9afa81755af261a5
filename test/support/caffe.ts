/** The real Caffe for tests. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findCaffe } from '../../lib/tools/caffe.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';

let found: Promise<Caffe> | undefined;

/** The Caffe that the suite's set-up found or made; the same object at every call. */
export function testCaffe(): Promise<Caffe> {
  found ??= findCaffe();
  return found;
}

/**
 * Writes programs `caffe` and so on that run the real ones, as an installation has them.
 * @param before a line of shell that `caffe` runs first, with its arguments as `$@`
 * @returns the folder
 */
export async function caffePrograms(folder: string, before = ''): Promise<string> {
  const { command } = await testCaffe();
  await mkdir(folder, { recursive: true });
  for (const tool of ['caffe', 'convert_imageset', 'compute_image_mean'] as const) {
    const words = command(tool, []).map(word => `'${word}'`);
    const script = `#!/bin/sh\n${tool === 'caffe' ? before : ''}\nexec ${words.join(' ')} "$@"\n`;
    await writeFile(join(folder, tool), script, { mode: 0o755 });
  }
  return folder;
}
