/** Runs a tool of this project as a command ends: one line and an exit status for what a person can do something about. */
import { CommanderError } from 'commander';
import { Stopped } from '../../../cli/local/interrupt.ts';
import { UserError } from '../../../lib/user-error.ts';

/** Runs `work`. @throws what is no UserError, no stop by a signal and no error of commander */
export async function asCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof UserError || error instanceof Stopped || error instanceof CommanderError)) throw error;
    // Commander has printed its own error.
    if (!(error instanceof CommanderError)) process.stderr.write(`${error.message}\n`);
    process.exitCode = error.exitCode;
  }
}
