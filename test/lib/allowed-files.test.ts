/** Files that an input names: below the folders that the worker's environment names, and regular. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { allowedPath, allowFiles, FileRefusal, openAllowed, readAllowed } from '../../lib/allowed-files.ts';

const LIMITS = { setting: 'training.network', max: 1_000 };
let folder: string;
let env: NodeJS.ProcessEnv;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'allowed-')));
  for (const name of ['files', 'secret', 'files-not']) await mkdir(join(folder, name));
  await writeFile(join(folder, 'files/net'), 'name: "x"');
  await writeFile(join(folder, 'secret/key'), 'hunter2');
  env = { RETINOPATHY_FILES: join(folder, 'files') };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (path: string) => join(folder, path);
const read = async (path: string, from = env) => (await readAllowed(path, from, LIMITS)).toString();

test('what is below is read, also by a link within, by a list and by the name of the file itself', async () => {
  await symlink('net', at('files/link'));
  expect(await read(at('files/net'))).toBe('name: "x"');
  expect(await read(at('files/link'))).toBe('name: "x"');
  expect(await read(at('secret/key'), { RETINOPATHY_FILES: `/nowhere:${at('secret/key')}` })).toBe('hunter2');
  await mkdir(at('with:colon'));
  await writeFile(at('with:colon/net'), 'y');
  expect(await read(at('with:colon/net'), allowFiles(env, [at('with:colon')]))).toBe('y');
  expect(await read(at('files/net'), allowFiles(env, [at('with:colon')]))).toBe('name: "x"');
  // A folder that is reached through a link, as the temporary one is on a Mac.
  await symlink(at('files'), at('way'));
  expect(await read(at('way/net'), { RETINOPATHY_FILES: at('way') })).toBe('name: "x"');
});

describe('what lies elsewhere is refused, whether or not it is there', () => {
  test.each([
    ['another folder', 'secret/key'],
    ['nothing', 'secret/none'],
    ['a way out', 'files/../secret/key'],
    ['a folder whose name begins alike', 'files-not/net'],
    ['a link that leads out', 'files/out'],
    ['a folder that is a link', 'files/away/key'],
  ])('%s', async (_, path) => {
    await symlink(at('secret/key'), at('files/out'));
    await symlink(at('secret'), at('files/away'));
    const refused = await read(at(path)).catch(error => error);
    expect(refused).toBeInstanceOf(FileRefusal);
    expect(refused.message).toBe(
      `Expected \`training.network\` below a folder that RETINOPATHY_FILES of the worker's environment names, got ${join(folder, path)}: put it there, or name its folder`,
    );
  });

  test('everything, where none is named', async () => {
    await expect(read(at('files/net'), {})).rejects.toThrow(
      "Expected RETINOPATHY_FILES of the worker's environment to name the folders whose files an input may read, got none: name one that holds `training.network`",
    );
    await expect(read(at('files/net'), { RETINOPATHY_FILES: 'files' })).rejects.toThrow('got none');
  });

  test.each([
    '/proc/self/environ',

    '/dev/zero',
    '/dev/null',
    '/sys/kernel/uevent_seqnum',
  ])('%s, where all is named', async path => {
    await expect(read(path, { RETINOPATHY_FILES: '/' })).rejects.toThrow(FileRefusal);
  });
});

describe('what is no regular file', () => {
  test('is refused at once: a folder, a pipe, a socket', async () => {
    execFileSync('mkfifo', [at('files/pipe')]);
    const server = createServer().listen(at('files/socket'));
    await mkdir(at('files/folder'));
    for (const name of ['pipe', 'socket', 'folder'])
      await expect(read(at(`files/${name}`))).rejects.toThrow(
        'Expected `training.network` to be a regular file, got something else',
      );
    server.close();
  });

  test('or is too large', async () => {
    await writeFile(at('files/large'), 'x'.repeat(1_001));
    await expect(read(at('files/large'))).rejects.toThrow('to be a file of at most 1000 bytes, got 1001');
  });
});

test('a folder that becomes a link at any moment gives nothing from outside', async () => {
  await mkdir(at('files/folder'));
  await writeFile(at('files/folder/key'), 'mine');
  let on = true;
  const swapping = (async () => {
    while (on) {
      await rename(at('files/folder'), at('files/aside'));
      await symlink(at('secret'), at('files/folder'));
      await rm(at('files/folder'));
      await rename(at('files/aside'), at('files/folder'));
      await new Promise(resolve => setTimeout(resolve, 2));
    }
  })();
  const seen = new Set<string>();
  for (let n = 0; n < 2_000; n++) seen.add(await read(at('files/folder/key')).catch(error => error.code ?? error.name));
  on = false;
  await swapping;
  expect(seen).not.toContain('hunter2');
});

test('an opened file is closed where it is refused', async () => {
  await writeFile(at('files/large'), 'x'.repeat(1_001));
  await expect(openAllowed(at('files/large'), env, LIMITS)).rejects.toThrow(FileRefusal);
  expect(await allowedPath(at('files/large'), env, 'source')).toBe(at('files/large'));
});
