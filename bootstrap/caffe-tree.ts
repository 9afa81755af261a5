/** Caffe in a folder that holds a whole unpacked system of its own, run by that folder's loader: its libraries never meet the host's. */
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaffeTool } from './caffe-command.ts';

/**
 * How the tools in an unpacked system are called, e.g. `['/tree/lib/x86_64-linux-gnu/ld-2.31.so', '--library-path', …, '/tree/usr/bin/caffe']`.
 * @returns null when the folder is not such a tree
 */
export async function treeCommand(root: string): Promise<((tool: CaffeTool) => string[]) | null> {
  const programs = await firstExisting(
    ['usr/local/bin', 'usr/bin'].map(folder => join(root, folder)),
    'caffe',
  );
  const libraries = (await readdir(join(root, 'lib')).catch(() => [])).find(name => name.endsWith('-linux-gnu'));
  if (programs === null || libraries === undefined) return null;
  const loader = (await readdir(join(root, 'lib', libraries))).find(name =>
    /^ld-(\d+\.\d+\.so|linux-.*\.so\.\d)$/.test(name),
  );
  if (loader === undefined) return null;
  const shared = join(root, 'usr/lib', libraries);
  // Packages that are only unpacked have no links from the alternatives system: OpenBLAS must come before the reference BLAS.
  const path = [
    join(shared, 'openblas-pthread'),
    join(shared, 'openblas'),
    join(root, 'usr/local/lib'),
    shared,
    join(root, 'usr/lib'),
    join(root, 'lib', libraries),
    join(shared, 'blas'),
    join(shared, 'lapack'),
    ...(await configured(root)),
  ];
  const unique = [...new Set(path)].join(':');
  return tool => [join(root, 'lib', libraries, loader), '--library-path', unique, join(programs, tool)];
}

/** Further folders of libraries that the tree's own configuration names, such as CUDA's: its cache of them holds paths of another root. */
async function configured(root: string): Promise<string[]> {
  const folder = join(root, 'etc/ld.so.conf.d');
  const files = (await readdir(folder).catch(() => [])).filter(name => name.endsWith('.conf')).sort();
  const lines = await Promise.all(files.map(async name => (await readFile(join(folder, name), 'utf8')).split('\n')));
  return lines
    .flat()
    .map(line => line.trim())
    .filter(line => line.startsWith('/'))
    .map(line => join(root, line));
}

async function firstExisting(folders: readonly string[], file: string): Promise<string | null> {
  for (const folder of folders) {
    try {
      await access(join(folder, file));
      return folder;
    } catch {}
  }
  return null;
}
