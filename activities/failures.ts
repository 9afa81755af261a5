/**
 * Classifies the errors of activities. An error that needs a person is final, and a transient one is retried without limit.
 * A bug in this code is final, so that it is seen. Any other error gets ten attempts in a row without progress.
 */
import { AssertionError } from 'node:assert';
import { ApplicationFailure } from '@temporalio/activity';
import { CancelledFailure } from '@temporalio/common';
import { codeAndCure, codeOf, judgeCode, judgeStatus } from '../lib/system-errors.ts';
import { StoreRefusal } from '../storage/s3-errors.ts';

/**
 * Returns a failure that no retry can fix. The first line of its message says *Expected X, got Y* and what to do.
 * @param type for machines: `BadInput`, `BadArchive`, `BadLabels`, `BadNetwork`, `AccessDenied`, `StoreRefusal`, `SystemError`,
 * `Diverged`, `Defect`
 */
export function finalFailure(type: string, message: string, cause?: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: true,
    ...(cause instanceof Error ? { cause } : {}),
  });
}

/** Runs `work` and turns an error of class `kind` into a final failure. @param advice text appended to the error's message */
export async function finalWhere<Result>(
  kind: new (...args: never[]) => Error,
  type: string,
  work: () => Result | Promise<Result>,
  advice = '',
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof kind ? finalFailure(type, error.message + advice, error) : error;
  }
}

/** Attempts in a row without progress after which an unknown error is final. */
export const TRIES_WITHOUT_PROGRESS = 10;

/** Transient names and codes of this project and of S3, in addition to those of the system in lib/system-errors.ts. */
const PASSING_NAMES = new Set([
  // A child process that was killed from outside.
  ...['SIGKILL', 'SIGTERM'],
  ...['Transient', 'TimeoutError', 'RequestTimeout', 'SlowDown', 'ServiceUnavailable', 'ThrottlingException'],
  // Two concurrent writes of the same S3 object.
  ...['ConditionalRequestConflict', 'OperationAborted'],
]);

/**
 * Returns the failure for a file or folder that cannot be used. It is final, unless the system's error code is transient.
 * @param expected `Expected to read /data/train.zip.001`; the code and the advice are appended
 * @param cure advice, where more is known than the table of codes says
 */
export function unusable(type: string, expected: string, error: unknown, cure?: string): unknown {
  const code = codeOf(error);
  if (judgeCode(code) === 'passing') return error;
  return finalFailure(type, `${expected}, got ${cure === undefined ? codeAndCure(code) : `${code}: ${cure}`}`, error);
}

export type FailureKind = 'stated' | 'passing' | 'refused' | 'defect' | 'other';

/**
 * Classifies an error by what a retry may achieve. `stated` errors already say it: ApplicationFailure and cancellation.
 * `refused` errors come from the store or the system, such as a wrong key, a missing bucket or a folder without access. They need a person
 * first.
 */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof ApplicationFailure || error instanceof CancelledFailure) return 'stated';
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ApplicationFailure || cause.name === 'AbortError') return 'stated';
    if (cause instanceof StoreRefusal) return 'refused';
    const { $metadata } = cause as { $metadata?: { httpStatusCode?: number } };
    const code = codeOf(cause);
    const verdict = judgeStatus($metadata?.httpStatusCode ?? 0) ?? judgeCode(code);
    if (verdict !== undefined) return verdict === 'final' ? 'refused' : 'passing';
    if (PASSING_NAMES.has(cause.name) || PASSING_NAMES.has(code)) return 'passing';
  }
  if (error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError) return 'defect';
  if (error instanceof AssertionError) return 'defect';
  return 'other';
}
