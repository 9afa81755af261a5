/** Opens a store by its URL. */
import { createFileStore } from './file.ts';
import type { ArtifactStore } from './store.ts';

/**
 * @param url `file:DIR`, relative to the working folder or absolute, or `s3://bucket/prefix`
 * @throws Error with one line for a person when no driver knows the URL
 */
export async function openStore(url: string): Promise<ArtifactStore> {
  const scheme = /^([a-z0-9]+):/.exec(url)?.[1];
  const rest = url.slice(url.indexOf(':') + 1);
  switch (scheme) {
    case 'file':
      if (rest === '') break;
      return createFileStore(rest.replace(/^\/\/(?=\/)/, ''));
    case 's3': {
      // The SDK takes a while to load, and who works with folders needs none of it.
      const { createS3Store } = await import('./s3.ts');
      return createS3Store(url);
    }
  }
  throw new Error(`Expected the store to be \`file:DIR\` or \`s3://bucket/prefix\`, got \`${url}\``);
}
