/** `retinopathy worker`: one worker process. */
import { ROLES, type Role } from '../workers/roles.ts';
import { UserError } from './user-error.ts';

export async function worker(role: string, { exitWhenIdle }: { exitWhenIdle?: string }): Promise<void> {
  if (!(ROLES as readonly string[]).includes(role)) {
    throw new UserError(`Expected a worker's role to be ${ROLES.join(', ')}, got \`${role}\``);
  }
  try {
    const { runWorker } = await import('../workers/run-worker.ts');
    const env = exitWhenIdle === undefined ? {} : { RETINOPATHY_EXIT_WHEN_IDLE: exitWhenIdle };
    await runWorker(role as Role, { ...process.env, ...env });
  } catch (error) {
    // An activity that does not end in time holds the process: its heartbeat will be missed, and another worker goes on.
    process.stderr.write(`retinopathy: ${(error as Error).message}\n`);
    process.exit(1);
  }
}
