/**
 * How activities fail. What needs a person is final; what passes by itself is retried without limit; a defect of ours is final,
 * so that it is seen; anything else gets ten tries in a row without progress.
 */
import { AssertionError } from 'node:assert';
import { ApplicationFailure } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { StoreRefusal } from '../storage/s3-fault.ts';

/**
 * A failure that no retry can cure. The first line of its message says *Expected X, got Y* and what to do.
 * @param type for machines: `BadInput`, `BadArchive`, `BadLabels`, `BadNetwork`, `AccessDenied`, `StoreRefusal`, `Diverged`, `Defect`
 */
export function finalFailure(type: string, message: string, cause?: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: true,
    ...(cause instanceof Error ? { cause } : {}),
  });
}

/** Tries in a row without progress after which an unknown error is final. */
export const TRIES_WITHOUT_PROGRESS = 10;

/** System errors that a later attempt, or another machine, may not meet. */
const PASSING_CODES = new Set([
  ...['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'ETIMEDOUT', 'EPIPE', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN'],
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EBUSY', 'EAGAIN', 'ENOMEM', 'EIO', 'ESTALE'],
  // A child process that was killed from outside.
  ...['SIGKILL', 'SIGTERM'],
  ...['Transient', 'TimeoutError', 'RequestTimeout', 'SlowDown', 'ServiceUnavailable', 'ThrottlingException'],
  // Two that write the same object of S3 at once.
  ...['ConditionalRequestConflict', 'OperationAborted'],
]);

export type FailureKind = 'stated' | 'passing' | 'refused' | 'defect' | 'other';

/**
 * Sorts an error by what a retry may bring. `stated` ones say it themselves: ApplicationFailure and cancellation. `refused` is what the
 * store will not do for whoever asks so, such as a wrong key or a missing bucket: a person must look first.
 */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return 'stated';
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure || cause.name === 'AbortError') return 'stated';
    if (cause instanceof StoreRefusal) return 'refused';
    const { code, $metadata } = cause as { code?: unknown; $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode ?? 0;
    if (status >= 500 || status === 429 || PASSING_CODES.has(cause.name)) return 'passing';
    if (typeof code === 'string' && (PASSING_CODES.has(code) || code.startsWith('UND_ERR_'))) return 'passing';
  }
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) return 'defect';
  if (error instanceof AssertionError) return 'defect';
  return 'other';
}
