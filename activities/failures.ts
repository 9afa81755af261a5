/** How activities fail: what passes by itself is thrown as it is and retried; what needs a person is final. */
import { ApplicationFailure } from '@temporalio/activity';

/**
 * A failure that no retry can cure. The first line of its message says *Expected X, got Y* and what to do.
 * @param type for machines: `BadInput`, `BadArchive`, `BadLabels`, `BadNetwork`, `AccessDenied`, `Diverged`, `Defect`
 */
export function finalFailure(type: string, message: string, cause?: unknown): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: true,
    ...(cause instanceof Error ? { cause } : {}),
  });
}
