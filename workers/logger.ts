/** Structured logs: ours and the SDK's through the same pino, one JSON line each on standard error. */
import { DefaultLogger, type LogEntry, type Logger as TemporalLogger } from '@temporalio/worker';
import pino, { type Logger } from 'pino';

export function createLogger(role: string, env: NodeJS.ProcessEnv): Logger {
  return pino(
    { base: { role, pid: process.pid }, level: env.RETINOPATHY_LOG_LEVEL ?? 'info' },
    pino.destination({ fd: 2, sync: false }),
  );
}

/** The SDK's log entries as pino's. */
export function temporalLogger(log: Logger): TemporalLogger {
  return new DefaultLogger('INFO', ({ level, message, meta }: LogEntry) => {
    const method = level === 'TRACE' ? 'trace' : (level.toLowerCase() as 'debug' | 'info' | 'warn' | 'error');
    log[method](meta ?? {}, message);
  });
}
