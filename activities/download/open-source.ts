/** From the `source` of the input to the thing that is read. */
import { sha256 } from '../../storage/checksum.ts';
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';
import { ANONYMOUS, type Credentials, findCredentials, mayReceiveCredentials } from './credentials.ts';
import { createFolderSource } from './folder-source.ts';
import type { Http } from './http.ts';
import type { KaggleApi } from './kaggle-call.ts';
import { createKaggleClient } from './kaggle-client.ts';
import { createKaggleSource } from './kaggle-source.ts';
import type { Patience } from './retries.ts';
import type { ArchiveSource } from './source.ts';
import type { ListFilesArgs } from './types.ts';

/** Where Kaggle's API is. */
export const KAGGLE = 'https://api.kaggle.com';

export interface SourceTools {
  services: Pick<ActivityServices, 'env' | 'syntheticUrl'>;
  http: Http;
  patience: Patience;
  /** Tells a person; the same thing is worth telling once. */
  warn(message: string): void;
}

/** @throws `BadInput` or `AccessDenied` when the source cannot be what the input says */
export async function openSource(
  args: ListFilesArgs,
  { services, http, patience, warn }: SourceTools,
): Promise<ArchiveSource> {
  const { source, synthetic } = args;
  const { competition } = args.archive;
  if (source.startsWith('file:')) return createFolderSource(source.slice('file:'.length));

  const kaggle = (base: URL, name: string, folder: string, credentials: Credentials, keptBack = false) => {
    const api = readApi(services.env);
    const client = createKaggleClient({ base, api, competition, credentials, keptBack, http, patience });
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

/** @throws `BadInput` for what is no address, or holds credentials */
export function parseBase(address: string): URL {
  if (!URL.canParse(address))
    throw finalFailure(
      'BadInput',
      'Expected `source` to be an address http(s)://host[:port], got one that cannot be read',
    );
  const url = new URL(address);
  if (url.username || url.password) {
    // The input is kept in the workflow's history for everybody to read.
    throw finalFailure(
      'BadInput',
      `Expected \`source\` to hold no credentials, got some before ${url.host}: put them into KAGGLE_API_TOKEN of the worker's environment`,
    );
  }
  url.search = '';
  url.hash = '';
  return url;
}

/** @throws `BadInput` for another name than the two */
export function readApi({ RETINOPATHY_KAGGLE_API: api = 'rpc' }: NodeJS.ProcessEnv): KaggleApi {
  if (api === 'rpc' || api === 'rest') return api;
  throw finalFailure('BadInput', `Expected RETINOPATHY_KAGGLE_API to be \`rpc\` or \`rest\`, got \`${api}\``);
}
