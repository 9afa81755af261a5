/** Runs once before all tests: they use the real Temporal CLI and the real Caffe, found or made as `npm start` does it. */
import { findCaffe } from '../../bootstrap/caffe.ts';
import { findTemporalCli } from '../../bootstrap/temporal-cli.ts';
import { exemptLoopback } from '../../system/no-proxy.ts';

/** The processes that run the tests inherit this one's environment. */
export default async function setUp(): Promise<void> {
  exemptLoopback();
  const report = (line: string) => console.error(`set-up: ${line}`);
  const [temporal] = await Promise.all([findTemporalCli({ report }), findCaffe({ report })]);
  process.env.TEMPORAL_CLI_PATH = temporal.path;
}
