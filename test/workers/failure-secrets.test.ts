/** What an activity fails with, whatever a library has said, holds no secret. */
import type { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { failurePolicy } from '../../workers/retry-limit-interceptor.ts';

const SECRET = 'KGAT_3f9c2a77e1d84b06';
afterEach(() => vi.unstubAllEnvs());

/** The failure of an activity that throws `error`. */
async function failureOf(error: unknown): Promise<Error> {
  const policy = failurePolicy({ info: { activityType: 'planTraining' } } as Context);
  return policy.execute!({} as never, () => Promise.reject(error)).then(
    () => expect.unreachable(),
    failure => failure,
  );
}

describe('a failure', () => {
  test.each([
    ['stated by us', () => ApplicationFailure.nonRetryable(`Expected x, got ${SECRET}`, 'BadInput')],
    ['of a defect', () => new TypeError(`Invalid URL http://me:${SECRET}@host`)],
    ['that passes', () => Object.assign(new Error(`connect ${SECRET}`), { code: 'ECONNRESET' })],
    ['with a cause', () => ApplicationFailure.create({ message: 'x', cause: new Error(`inner ${SECRET}`) })],
    [
      'of JSON',
      () => {
        try {
          return JSON.parse(`${SECRET} is no JSON`);
        } catch (error) {
          return Object.assign(error as Error, { code: 'ECONNRESET' });
        }
      },
    ],
  ])('%s repeats no secret of the environment', async (_, make) => {
    vi.stubEnv('KAGGLE_API_TOKEN', SECRET);
    const failure = await failureOf(make());
    for (let at: unknown = failure; at instanceof Error; at = at.cause) {
      expect(`${at.message}\n${at.stack}`).not.toContain(SECRET);
      expect(`${at.message}\n${at.stack}`).not.toContain('KGAT');
    }
  });

  test('is as long as a message should be', async () => {
    expect((await failureOf(ApplicationFailure.nonRetryable('x'.repeat(100_000)))).message).toHaveLength(4_001);
  });
});
