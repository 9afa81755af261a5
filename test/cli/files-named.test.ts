/** What the workers of `npm start` may read: what its command line names, and what links there lead to. */
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesNamed } from '../../cli/local/run-options.ts';
import { resolveInput } from '../../config/resolve.ts';

test('the folder of the parts with the targets of its links, the network, the weights', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'named-')));
  try {
    await mkdir(join(folder, 'parts'));
    await writeFile(join(folder, 'parts/train.zip.001'), '');
    await writeFile(join(folder, 'disk'), '');
    await symlink(join(folder, 'disk'), join(folder, 'parts/train.zip.002'));
    await symlink('nowhere', join(folder, 'parts/train.zip.003'));
    const training = { network: 'file:/n/net', weights: 'file:/w/weights' };
    expect(await filesNamed(resolveInput({ source: `file:${folder}/parts`, training }))).toEqual([
      join(folder, 'parts'),
      '/n/net',
      '/w/weights',
      join(folder, 'disk'),
    ]);
    expect(await filesNamed(resolveInput({}))).toEqual([]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
