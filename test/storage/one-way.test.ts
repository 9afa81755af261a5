import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDERS = ['activities', 'cli', 'config', 'inference', 'synthetic', 'workers', 'workflows'];

/** Where bytes are read by key alone, and what checks them there. */
const BY_KEY = {
  'activities/download/download-labels.ts': 'compared with the labels that have just come',
  'activities/download/stored.ts': 'computes the checksums, and reads whole chunks',
  'activities/zip/virtual-file.ts': 'the CRC-32 of each entry, or of each chunk of a PNG',
  'activities/run/report-files.ts': 'pages of a running run, which have no checksum',
  'synthetic/kaggle/serve-stored.ts': 'the file is read whole before it is served, the download has its own CRC-32C',
};

test('outside of storage/ nothing is read by its key alone but what is checked otherwise', async () => {
  const found: string[] = [];
  for (const folder of FOLDERS) {
    for (const name of await readdir(join(ROOT, folder), { recursive: true })) {
      if (!name.endsWith('.ts')) continue;
      const text = await readFile(join(ROOT, folder, name), 'utf8');
      if (/\bstore\.get\(|\bgetIfThere\(|\bopenArtifact\(/.test(text)) found.push(`${folder}/${name}`);
    }
  }
  expect(found.sort()).toEqual(Object.keys(BY_KEY).sort());
});
