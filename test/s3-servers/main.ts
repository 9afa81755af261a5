/** `npm run test:s3 -- NAME…`: the store's contract, and a whole small run with a kill in its download, on other S3 servers. */
import { Argument, Command } from 'commander';
import { runChild } from '../../lib/process/child-process.ts';
import { S3_SERVERS } from '../support/s3/servers.ts';

const names = Object.keys(S3_SERVERS);
const { args } = new Command('npm run test:s3 --')
  .description(
    'the contract of the store and a whole small run on S3 servers, each built or fetched where it is missing',
  )
  .addArgument(new Argument('[names...]', 'default: all').choices(names))
  .parse();

const failed: string[] = [];
for (const name of args.length > 0 ? args : names) {
  process.stdout.write(`${name}\n`);
  const { code } = await runChild(['npx', 'vitest', 'run', 'test/storage/s3.test.ts', 'test/s3-servers'], {
    env: { ...process.env, RETINOPATHY_TEST_S3: name },
    onLine: line => process.stdout.write(`  ${line}\n`),
  });
  if (code !== 0) failed.push(name);
}
process.stdout.write(failed.length === 0 ? 'All passed\n' : `Failed on ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
