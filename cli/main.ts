/** Runs the `retinopathy` command. */
import { CommanderError } from 'commander';
import { exemptLoopback } from '../lib/no-proxy.ts';
import { safeMessage } from '../lib/quote.ts';
import { lineOf } from '../lib/system-errors.ts';
import { UserError } from '../lib/user-error.ts';
import { CorruptObject } from '../storage/store.ts';
import { createProgram } from './commands/program.ts';

exemptLoopback();
try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const said = error instanceof CorruptObject ? await takenOutOfUse(error) : error;
    process.stderr.write(`retinopathy: ${safeMessage(lineOf(said))}\n`);
    process.exitCode = error instanceof UserError ? error.exitCode : 1;
  }
}

async function takenOutOfUse(corrupt: CorruptObject): Promise<unknown> {
  const { discarded } = await import('../activities/run/discard.ts');
  return discarded(corrupt).catch((error: unknown) => error);
}

// An error of the last output is reported after it, so the process waits for both.
await new Promise(resolve => process.stdout.write('', resolve));
await new Promise(resolve => setImmediate(resolve));
// Abandoned work, such as a build, must not hold the process. Child processes end with it.
process.exit();
