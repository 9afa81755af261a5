/** Hands a file in to a competition, as Kaggle's own client does it: an address for the upload, the bytes, and the submission of them. */
import { finalFailure } from '../failures.ts';
import { discard, type HttpAnswer, parseRetryAfter, readBody } from './http.ts';
import { callKaggle, type KaggleApi, type KaggleLine, postForm, readKaggleJson } from './kaggle-call.ts';
import { type Asked, kaggleError } from './kaggle-errors.ts';
import { BadAnswer, type Patience, Transient, withRetries } from './retries.ts';
import { parseSignedUrl } from './signed-url.ts';

export interface SubmissionOptions extends KaggleLine {
  api: KaggleApi;
  competition: string;
  keptBack: boolean;
  patience: Patience;
  signal: AbortSignal;
}

export interface FileToSubmit {
  name: string;
  bytes: Buffer;
  modified: Date;
  /** What the list of submissions says beside it. */
  message: string;
}

export interface Submitted {
  /** In Kaggle's words. */
  message: string;
  /** Kaggle's number of it. */
  ref: number | null;
  /** How many may follow today; null where Kaggle does not say. */
  left: number | null;
}

const REFUSAL = 64 << 10;

/** Where the older API has the calls; both take a form, and no JSON. */
const REST = {
  StartSubmissionUpload: () => 'submission-url',
  CreateSubmission: (competition: string) => `submissions/submit/${competition}`,
};

/**
 * Uploads the file and submits it, once: what is repeated after an error is the upload, which counts for nothing by itself.
 * @throws final failures that say what to do; `Unclear` when nobody can say whether it was taken
 */
export async function submitToKaggle(options: SubmissionOptions, file: FileToSubmit): Promise<Submitted> {
  const { api, base, credentials, competition, keptBack, http, patience, signal } = options;
  const about: Asked = { host: base.host, competition, file: undefined, credentials, keptBack, submitting: true };
  const read = async (answer: Promise<HttpAnswer>) =>
    (await readKaggleJson(await answer, about, signal)) as Record<string, unknown> | undefined;
  const call = (method: keyof typeof REST, body: Record<string, string | number>) =>
    read(
      api === 'rest'
        ? postForm(options, REST[method](competition), body, signal)
        : callKaggle(options, method, body, signal),
    );

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
    // Whoever has the address may write there: no credentials go with it.
    const answer = await http.send(address.url, { method: 'PUT', headers, body: file.bytes, signal });
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
    // Sent again it might count twice, and only so many are allowed a day.
    throw error instanceof Transient || signal.aborted ? unclear(competition, error) : error;
  });
  // The older API has no such call.
  const limits =
    api === 'rest'
      ? undefined
      : await read(callKaggle(options, 'GetSubmissionLimits', { competitionName: competition }, signal)).catch(
          () => undefined,
        );
  return {
    message: String(taken?.message ?? ''),
    ref: typeof taken?.ref === 'number' && taken.ref > 0 ? taken.ref : null,
    left: typeof limits?.numAllowedNow === 'number' ? limits.numAllowedNow : null,
  };
}

function unclear(competition: string, error: Error): Error {
  return finalFailure(
    'Unclear',
    `Expected an answer to the submission, got none (${error.message}): before sending it again, look whether it was taken at https://www.kaggle.com/competitions/${competition}/submissions`,
  );
}
