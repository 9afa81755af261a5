/** Opens a store by its URL. */

import { quote } from '../lib/quote.ts';
import { createFileStore } from './file.ts';
import type { ArtifactStore } from './store.ts';

/**
 * Opens a store with the driver for the URL's scheme.
 * @param url `file:DIR`, relative to the working folder or absolute, or `s3://bucket/prefix`
 * @throws Error with a one-line message when no driver knows the URL
 */
export async function openStore(url: string): Promise<ArtifactStore> {
  const scheme = /^([a-z0-9]+):/.exec(url)?.[1];
  const rest = url.slice(url.indexOf(':') + 1);
  switch (scheme) {
    case 'file':
      if (rest === '') break;
      return createFileStore(rest.replace(/^\/\/(?=\/)/, ''));
    case 's3': {
      // Loaded on demand: the SDK takes a while to load, and a store in a folder does not need it.
      const { createS3Store } = await import('./s3.ts');
      return createS3Store(url);
    }
  }
  throw new Error(`Expected the store to be \`file:DIR\` or \`s3://bucket/prefix\`, got \`${quote(url)}\``);
}
