/** What a run was made with. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export async function versions(): Promise<Record<string, string>> {
  const own = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  const version = (name: string) => (require(`${name}/package.json`) as { version: string }).version;
  return {
    retinopathy: own.version,
    node: process.versions.node,
    temporalSdk: version('@temporalio/worker'),
    libvips: (require('sharp') as { versions: { vips: string } }).versions.vips,
    sharp: version('sharp'),
  };
}
