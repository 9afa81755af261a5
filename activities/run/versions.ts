/** What a run was made with. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import sharp from 'sharp';

const require = createRequire(import.meta.url);

export async function versions(): Promise<Record<string, string>> {
  const own = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const sdk = require('@temporalio/worker/package.json') as { version: string };
  return {
    retinopathy: own.version,
    node: process.versions.node,
    temporalSdk: sdk.version,
    sharp: sharp.versions.sharp ?? 'unknown',
    libvips: sharp.versions.vips,
  };
}
