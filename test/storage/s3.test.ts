/** The S3 driver against a real server. */

import { createS3Store } from '../../storage/s3.ts';
import { startS3 } from '../support/s3.ts';
import { describeStore } from './contract.ts';

describeStore('s3', async () => {
  const server = await startS3();
  Object.assign(process.env, server.env);
  return { store: await createS3Store(server.url), env: server.env, looksFirst: true, close: server.close };
});
