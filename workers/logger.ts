/** Structured logs: ours and the SDK's through the same pino, one JSON line each on standard error, with run and split. */
import { asyncLocalStorage } from '@temporalio/activity';
import { DefaultLogger, type LogEntry, type Logger as TemporalLogger } from '@temporalio/worker';
import pino, { type DestinationStream, type Logger } from 'pino';
import { whoseActivity, whoseWorkflow } from '../activities/whose.ts';

/** What an activity says carries `run`, `split`, `activity` and `attempt` by itself. */
export function createLogger(
  role: string,
  env: NodeJS.ProcessEnv,
  destination: DestinationStream = pino.destination({ fd: 2, sync: false }),
): Logger {
  return pino(
    { base: { role, pid: process.pid }, level: env.RETINOPATHY_LOG_LEVEL ?? 'info', mixin: activityFields },
    destination,
  );
}

/** The SDK's log entries as pino's; workflow code speaks through them as well. */
export function temporalLogger(log: Logger): TemporalLogger {
  return new DefaultLogger('INFO', ({ level, message, meta }: LogEntry) => {
    const method = level === 'TRACE' ? 'trace' : (level.toLowerCase() as 'debug' | 'info' | 'warn' | 'error');
    log[method]({ ...workflowFields(meta), ...meta }, message);
  });
}

function activityFields(): object {
  const context = asyncLocalStorage.getStore();
  if (!context) return {};
  return { ...whoseActivity(context), activity: context.info.activityType, attempt: context.info.attempt };
}

function workflowFields(meta: LogEntry['meta']): object {
  const { workflowType, workflowId } = meta ?? {};
  if (typeof workflowId !== 'string' || asyncLocalStorage.getStore()) return {};
  return whoseWorkflow(String(workflowType), workflowId);
}
