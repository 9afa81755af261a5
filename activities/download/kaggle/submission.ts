/**
 * Submits a file to a competition as Kaggle's own client does: requests an upload address, uploads the bytes, and creates the submission.
 */

import { quote, reasonOf } from '../../../lib/quote.ts';
import { finalFailure } from '../../failures.ts';
import { discard, parseRetryAfter, readBody } from '../http.ts';
import { BadAnswer, type Patience, Transient, withRetries } from '../retry.ts';
import { parseSignedUrl } from '../signed-url.ts';
import { type Asked, kaggleError } from './errors.ts';
import { callKaggle, type KaggleLine, readKaggleJson } from './request.ts';

export interface SubmissionOptions extends KaggleLine {
  competition: string;
  keptBack: boolean;
  patience: Patience;
  signal: AbortSignal;
}

export interface FileToSubmit {
  name: string;
  bytes: Buffer;
  modified: Date;
  /** Description that Kaggle's list of submissions shows. */
  message: string;
}

export interface Submitted {
  /** Kaggle's own message. */
  message: string;
  /** Kaggle's number of the submission. */
  ref: number | null;
  /** Submissions left today; null where Kaggle does not say. */
  left: number | null;
}

const REFUSAL = 64 << 10;

/**
 * Uploads the file and submits it once. Only the upload is repeated after an error, because an upload alone does not count.
 * @throws final failures that say what to do; `Unclear` when it is unknown whether the submission was accepted
 */
export async function submitToKaggle(options: SubmissionOptions, file: FileToSubmit): Promise<Submitted> {
  const { base, credentials, competition, keptBack, http, patience, signal } = options;
  const about: Asked = { host: base.host, competition, file: undefined, credentials, keptBack, submitting: true };
  const call = async (method: string, body: Record<string, unknown>) =>
    (await readKaggleJson(await callKaggle(options, method, body, signal), about, signal)) as
      | Record<string, unknown>
      | undefined;

  const upload = async (): Promise<string> => {
    const { token, createUrl } =
      (await call('StartSubmissionUpload', {
        competitionName: competition,
        fileName: file.name,
        contentLength: file.bytes.length,
        lastModifiedEpochSeconds: Math.floor(file.modified.getTime() / 1000),
      })) ?? {};
    const address = parseSignedUrl(typeof createUrl === 'string' ? createUrl : undefined, base);
    if (!address || typeof token !== 'string') {
      throw new BadAnswer(`Expected ${base.host} to give an https address for the upload, got none that can be used`);
    }
    const headers = { 'content-type': 'application/octet-stream' };
    // The address alone gives write access, so no credentials are sent with it.
    const answer = await http.send(address.url, {
      ...{ method: 'PUT', headers, body: file.bytes, signal },
      reach: http.reachFrom(base),
    });
    const { statusCode: status } = answer;
    if (status === 200 || status === 201) {
      await discard(answer);
      return token;
    }
    const message = (await readBody(answer, REFUSAL, address.url.host, signal)).toString();
    const retryAfterMs = parseRetryAfter(answer.headers['retry-after']);
    throw kaggleError({ status, message, retryAfterMs }, { ...about, host: address.url.host });
  };

  const token = await withRetries(upload, patience, signal);
  const taken = await call('CreateSubmission', {
    competitionName: competition,
    blobFileTokens: token,
    submissionDescription: file.message,
  }).catch(error => {
    // A repeated submission might count twice, and the number a day is limited.
    throw error instanceof Transient || signal.aborted ? unclear(competition, error) : error;
  });
  const limits = await call('GetSubmissionLimits', { competitionName: competition }).catch(() => undefined);
  return {
    message: quote(String(taken?.message ?? ''), 200),
    ref: typeof taken?.ref === 'number' && taken.ref > 0 ? taken.ref : null,
    left: typeof limits?.numAllowedNow === 'number' ? limits.numAllowedNow : null,
  };
}

function unclear(competition: string, error: Error): Error {
  return finalFailure(
    'Unclear',
    `Expected an answer to the submission, got none (${reasonOf(error)}): before sending it again, look whether it was taken at https://www.kaggle.com/competitions/${competition}/submissions`,
  );
}
