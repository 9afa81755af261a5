/** `retinopathy worker`: runs one worker process. */
import { failureKind } from '../../activities/failures.ts';
import { safeMessage } from '../../lib/quote.ts';
import { lineOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import { FINAL_EXIT, ROLES, type Role } from '../../workers/roles.ts';

export async function worker(role: string, { exitWhenIdle }: { exitWhenIdle?: string }): Promise<void> {
  if (!(ROLES as readonly string[]).includes(role)) {
    throw new UserError(`Expected a worker's role to be ${ROLES.join(', ')}, got \`${role}\``);
  }
  try {
    const { runWorker } = await import('../../workers/run-worker.ts');
    const env = exitWhenIdle === undefined ? {} : { RETINOPATHY_EXIT_WHEN_IDLE: exitWhenIdle };
    await runWorker(role as Role, { ...process.env, ...env });
  } catch (error) {
    // An activity that does not end would hold the process. After its heartbeat timeout, another worker takes over.
    process.stderr.write(`retinopathy: ${safeMessage(lineOf(error))}\n`);
    const hopeless = ['refused', 'defect'].includes(failureKind(error));
    process.exit(hopeless && process.env.RETINOPATHY_EMBEDDED === '1' ? FINAL_EXIT : 1);
  }
}
