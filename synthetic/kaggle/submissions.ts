/** Submission half of the Kaggle-compatible server: takes an upload in one request to a storage address, and then its submission. */
import { randomBytes } from 'node:crypto';
import { json, type OwnAnswer, refusal, storageError } from './server-faults.ts';

export interface Submission {
  ref: number;
  fileName: string;
  description: string;
  date: Date;
  bytes: Buffer;
}

interface UploadSession {
  token: string;
  fileName: string;
  /** Bytes as announced. */
  size: number;
  bytes: Buffer | undefined;
}

export const SUBMISSION_CALLS = [
  'StartSubmissionUpload',
  'CreateSubmission',
  'ListSubmissions',
  'GetSubmissionLimits',
] as const;
export type SubmissionCall = (typeof SUBMISSION_CALLS)[number];

const UPLOADS = '/upload/storage/v1/b/kaggle-competitions-submissions/o';
/** Submissions a day that the competition allowed a team. */
const A_DAY = 5;

export const isUploadPath = (path: string) => path === UPLOADS;

const ok = (content: unknown) => json(200, content);

export class Submissions {
  /** In order of arrival. */
  readonly list: Submission[] = [];
  private readonly sessions = new Map<string, UploadSession>();

  /** Handles an API call of a submission. @param storage origin of the upload addresses */
  call(method: SubmissionCall, body: Record<string, unknown>, storage: string): OwnAnswer {
    switch (method) {
      case 'StartSubmissionUpload':
        return this.start(body, storage);
      case 'CreateSubmission':
        return this.create(body);
      case 'ListSubmissions':
        return ok({ submissions: this.list.map(describe).reverse(), nextPageToken: '' });
      case 'GetSubmissionLimits': {
        const numToday = this.list.length;
        return ok({ numToday, numTotal: numToday, numAllowedNow: A_DAY - numToday, limitedByTotal: false });
      }
    }
  }

  /** Handles a PUT to an upload's address like Google Cloud Storage. */
  upload(url: URL, headers: Record<string, string | string[] | undefined>, bytes: Buffer): OwnAnswer {
    const session = this.sessions.get(url.searchParams.get('upload_id') ?? '');
    if (!session) return storageError(404, 'NoSuchUpload', 'The requested upload was not found.');
    if (headers.authorization !== undefined) {
      return storageError(400, 'InvalidArgument', 'Expected a PUT without Authorization.');
    }
    // A query for the number of bytes received, before an upload is resumed.
    if (/^bytes \*\/\d+$/.test(String(headers['content-range'] ?? ''))) {
      return session.bytes ? ok({ name: session.fileName }) : { status: 308 };
    }
    if (bytes.length !== session.size) {
      const message = `Expected ${session.size} bytes, as announced, got ${bytes.length}.`;
      return storageError(400, 'InvalidArgument', message);
    }
    session.bytes ??= bytes;
    return ok({ name: session.fileName, size: String(bytes.length) });
  }

  private start({ fileName, contentLength }: Record<string, unknown>, storage: string): OwnAnswer {
    const id = randomBytes(24).toString('base64url');
    const token = randomBytes(24).toString('base64url');
    this.sessions.set(id, { token, fileName: String(fileName), size: Number(contentLength), bytes: undefined });
    return ok({ token, createUrl: `${storage}${UPLOADS}?uploadType=resumable&upload_id=${id}` });
  }

  private create({ competitionName, blobFileTokens, submissionDescription }: Record<string, unknown>): OwnAnswer {
    const session = [...this.sessions.values()].find(({ token }) => token === blobFileTokens);
    if (!session?.bytes) return refusal(400, 'Submission not allowed: its file was not uploaded.');
    if (this.list.length >= A_DAY) {
      return refusal(
        400,
        `Submission not allowed: Your team has used its daily Submission allowance (${A_DAY}) today.`,
      );
    }
    const ref = 50_000_000 + this.list.length;
    const description = String(submissionDescription ?? '');
    this.list.push({ ref, fileName: session.fileName, description, date: new Date(), bytes: session.bytes });
    return ok({ message: `Successfully submitted to ${competitionName}`, ref });
  }
}

function describe({ ref, fileName, description, date, bytes }: Submission) {
  return {
    ...{ ref, fileName, description, date: date.toISOString(), totalBytes: bytes.length },
    // Submissions for synthetic eyes are never scored.
    ...{ status: 'PENDING', publicScore: '', privateScore: '', submittedBy: 'reader' },
  };
}
