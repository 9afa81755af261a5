/** Opens the archive source that the input's `source` names. */

import { pathOf } from '../../config/files.ts';
import { sha256 } from '../../storage/checksum.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { createFolderSource } from './folder-source.ts';
import type { Http } from './http.ts';
import { createKaggleClient } from './kaggle/client.ts';
import { ANONYMOUS, type Credentials, findCredentials, mayReceiveCredentials } from './kaggle/credentials.ts';
import { createKaggleSource } from './kaggle/source.ts';
import type { Patience } from './retry.ts';
import type { ArchiveSource } from './source.ts';
import type { ListFilesArgs } from './types.ts';

/** Base URL of Kaggle's API. */
export const KAGGLE = 'https://api.kaggle.com';

export interface SourceTools {
  services: Pick<ActivityServices, 'env' | 'syntheticUrl'>;
  http: Http;
  patience: Patience;
  /** Shows a warning to a person. Repeated messages are shown once. */
  warn(message: string): void;
}

/** Returns the archive source. @throws `BadInput` or `AccessDenied` when it cannot be opened as the input describes */
export async function openSource(
  args: ListFilesArgs,
  { services, http, patience, warn }: SourceTools,
): Promise<ArchiveSource> {
  const { source, synthetic } = args;
  const { competition } = args.archive;
  const path = pathOf(source);
  if (path !== undefined) return createFolderSource(path, services.env);

  const kaggle = (base: URL, name: string, folder: string, credentials: Credentials, keptBack = false) => {
    const client = createKaggleClient({ base, competition, credentials, keptBack, http, patience });
    return createKaggleSource({ name, folder, client, http, patience });
  };
  if (source === 'synthetic') {
    if (synthetic === null) throw finalFailure('BadInput', 'Expected the prefix of the made-up eyes, got none');
    const base = new URL(await services.syntheticUrl(synthetic));
    return kaggle(base, 'the made-up eyes', `synthetic-${synthetic.split('/').at(-1)}`, ANONYMOUS);
  }

  const base = parseBase(source === 'kaggle' ? KAGGLE : source);
  const allowed = mayReceiveCredentials(base, services.env);
  const credentials = allowed ? await findCredentials(services.env) : ANONYMOUS;
  credentials.warnings.forEach(warn);
  if (source === 'kaggle') {
    return kaggle(base, `the competition ${competition}`, `kaggle-${competition}`, credentials);
  }
  const folder = `http-${sha256(`${base.href} ${competition}`).slice(0, 12)}`;
  return kaggle(base, `${competition} at ${base.host}`, folder, credentials, !allowed);
}

/** Parses the address of a server. @throws `BadInput` when it is no address, or holds credentials */
export function parseBase(address: string): URL {
  if (!URL.canParse(address))
    throw finalFailure(
      'BadInput',
      'Expected `source` to be an address http(s)://host[:port], got one that cannot be read',
    );
  const url = new URL(address);
  if (url.username || url.password) {
    // The workflow's history keeps the input in plain text.
    throw finalFailure(
      'BadInput',
      `Expected \`source\` to hold no credentials, got some before ${url.host}: put them into KAGGLE_API_TOKEN of the worker's environment`,
    );
  }
  url.search = '';
  url.hash = '';
  return url;
}
