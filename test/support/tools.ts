/**
 * Runs once before all tests: they use the real Temporal CLI, the real Caffe and a real S3 server, found or made as `npm start` does
 * it with the first two.
 */

import { exemptLoopback } from '../../lib/no-proxy.ts';
import { findCaffe } from '../../lib/tools/caffe.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { findChromium } from './chromium.ts';
import { S3_SERVERS } from './s3/servers.ts';
import { findVersitygw } from './s3/versitygw.ts';

/** The processes that run the tests inherit this one's environment. */
export default async function setUp(): Promise<void> {
  exemptLoopback();
  const report = (line: string) => console.error(`set-up: ${line}`);
  const [temporal, versitygw, chromium] = await Promise.all([
    findTemporalCli({ report }),
    // Without it, which takes Go to build, only the tests of S3 fail, and say why.
    findVersitygw({ report }).catch(error => report(error.message)),
    // Without it only the test of the report in a browser is missed, and says why.
    findChromium({ report }).catch((error: Error) => error),
    findCaffe({ report }),
    // Without it, which takes Python to install, only the tests of other S3 servers fail, and say why.
    S3_SERVERS.moto.find().catch((error: Error) => report(error.message)),
  ]);
  process.env.TEMPORAL_CLI_PATH = temporal.path;
  if (chromium instanceof Error) process.env.CHROMIUM_MISSING = chromium.message;
  else process.env.CHROMIUM_PATH = chromium.path;
  if (versitygw) process.env.VERSITYGW_PATH = versitygw.path;
}
