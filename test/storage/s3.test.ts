/** The S3 driver against real servers. */

import { createS3Store } from '../../storage/s3.ts';
import { startS3 } from '../support/s3/s3.ts';
import type { S3ServerName } from '../support/s3/servers.ts';
import { describeStore } from './contract.ts';

const { RETINOPATHY_TEST_S3: named } = process.env;
for (const name of named ? [named as S3ServerName] : (['versitygw', 'moto'] as const)) {
  describeStore(`s3 on ${name}`, async () => {
    const server = await startS3(undefined, name);
    Object.assign(process.env, server.env);
    return { store: await createS3Store(server.url), env: server.env, looksFirst: true, close: server.close };
  });
}
