/**
 * The tests under other versions of Node, which come as packages: `npm run test:node -- 22 24 test/config test/storage`. Numbers are
 * versions, by default 22 and 24; the rest goes to the test runner, by default nothing: all tests.
 */
import { fileURLToPath } from 'node:url';
import { runChild } from '../../lib/process/child-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const VERSION = /^\d+(\.\d+){0,2}$/;

const args = process.argv.slice(2);
const asked = args.filter(arg => VERSION.test(arg));
const rest = args.filter(arg => !VERSION.test(arg));

const failed: string[] = [];
for (const version of asked.length > 0 ? asked : ['22', '24']) {
  const under = ['npx', '--yes', '--package', `node@${version}`, '--', 'node'];
  const { code, tail } = await runChild([...under, '--version'], { cwd: ROOT });
  const exact = tail.findLast(line => /^v\d/.test(line));
  if (code !== 0 || !exact?.startsWith(`v${version}`)) {
    failed.push(`Expected Node ${version} to be had as a package, got: ${tail.at(-1) ?? `exit ${code}`}`);
    continue;
  }
  console.log(`\nNode ${exact.slice(1)}`);
  const run = await runChild([...under, 'node_modules/vitest/vitest.mjs', 'run', ...rest], {
    cwd: ROOT,
    onLine: line => console.log(line),
  });
  if (run.code !== 0) failed.push(`Expected the tests to pass under Node ${exact.slice(1)}, got exit ${run.code}`);
}
for (const line of failed) console.error(line);
process.exitCode = failed.length > 0 ? 1 : 0;
