/** Runs the `retinopathy` command. */
import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { UserError } from './user-error.ts';

try {
  await createProgram().parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`retinopathy: ${message}\n`);
    process.exitCode = error instanceof UserError ? error.exitCode : 1;
  }
}
// What was abandoned on the way, such as a build, must not hold the process; children end with it.
process.exit();
