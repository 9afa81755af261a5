/** Errors of S3 as one clear line, without the keys and signatures that the response may hold. */
import { quote } from '../lib/quote.ts';

import { codeAndCure, codeOf, judgeCode, judgeStatus } from '../lib/system-errors.ts';

/** A failed request to S3. It does not hold the SDK's own error, which carries parts of the signed request. */
export class S3Fault extends Error {
  override readonly name: string = 'S3Fault';
  /** Name of the error, from S3 (`NoSuchUpload`) or from the system (`ECONNREFUSED`). */
  readonly code: string;
  readonly $metadata: { httpStatusCode?: number; attempts?: number };

  constructor(message: string, { code, $metadata = {} }: { code: string; $metadata?: S3Fault['$metadata'] }) {
    super(message);
    this.code = code;
    this.$metadata = $metadata;
  }
}

/** The store refuses the request or cannot serve it. A retry is useless until the user has changed something. */
export class StoreRefusal extends S3Fault {
  override readonly name = 'StoreRefusal';
}

export interface Asked {
  /** `s3:GetObject` */
  action: string;
  bucket: string;
  /** `s3://bucket/prefix/key`, or the store's own URL. */
  url: string;
  region: string;
  /** Name of the server in messages. */
  server: string;
}

interface SdkError extends Error {
  code?: string;
  Region?: string;
  $metadata?: S3Fault['$metadata'];
  $response?: { headers?: Record<string, string> };
}

const WRONG_CREDENTIALS = [
  ...['InvalidAccessKeyId', 'SignatureDoesNotMatch', 'InvalidToken', 'ExpiredToken', 'TokenRefreshRequired'],
  ...['InvalidClientTokenId', 'NotSignedUp', 'InvalidSecurity'],
  // The name that versitygw gives to an unknown key.
  'XAdminUserNotFound',
];
const NOT_ALLOWED = ['AccessDenied', 'AllAccessDisabled', 'AccountProblem', 'Forbidden', '403', 'UnauthorizedAccess'];
/** Errors of an unsupported request that come without one of the final statuses of lib/system-errors.ts. */
const UNKNOWN_TO_SERVER = ['NotImplemented', 'MethodNotAllowed'];
const ELSEWHERE = [
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  '301',
];

/** Converts an error of the SDK into an `S3Fault`. Returns any error that is not of S3 or the network unchanged. */
export function faultOf(error: unknown, asked: Asked): unknown {
  if (!(error instanceof Error)) return error;
  const { $metadata, ...rest } = error as SdkError;
  const code = nameOf(error as SdkError);
  if (code === undefined) return error;
  const said = { code, ...($metadata && { $metadata }) };
  const { action, bucket, server, url } = asked;
  const refusal = (message: string) => new StoreRefusal(message, said);
  if (code === 'NoSuchBucket') {
    return refusal(
      `Expected the bucket ${bucket} to exist at ${server}, got NoSuchBucket: make it (aws s3 mb s3://${bucket}), or name another one`,
    );
  }
  if (WRONG_CREDENTIALS.includes(code)) {
    return refusal(
      `Expected ${server} to accept the credentials for ${bucket}, got ${code}: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or AWS_PROFILE`,
    );
  }
  if (ELSEWHERE.includes(code) || $metadata?.httpStatusCode === 301) {
    const region = rest.Region ?? (error as SdkError).$response?.headers?.['x-amz-bucket-region'];
    return refusal(
      `Expected the bucket ${bucket} to be in region ${asked.region}, got ${quote(region ?? 'another one')} (${code}): set AWS_REGION to it`,
    );
  }
  if (code === 'InvalidBucketName') {
    return refusal(`Expected ${server} to take ${bucket} for a bucket's name, got ${code}: name another one`);
  }
  if (UNKNOWN_TO_SERVER.includes(code) || judgeStatus($metadata?.httpStatusCode ?? 0) === 'final') {
    return refusal(
      `Expected ${server} to know ${action} with the conditions and checksums that a store needs, got ${code} (${$metadata?.httpStatusCode}): use another S3 server, or a folder`,
    );
  }
  if (code === 'InvalidObjectState') {
    return refusal(`Expected ${url} to be ready to be read, got ${code}: restore it from the archive (Glacier) first`);
  }
  if (NOT_ALLOWED.includes(code) || $metadata?.httpStatusCode === 403) {
    if (code === 'RequestTimeTooSkewed') {
      return refusal(`Expected this machine's clock to agree with ${server}, got RequestTimeTooSkewed: set the clock`);
    }
    return refusal(
      `Expected ${action} to be allowed on ${url}, got ${code}: grant it, docs/s3.md lists what is needed`,
    );
  }
  if (code === 'CredentialsProviderError') {
    return new S3Fault(
      `Expected credentials for ${url}, got none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role`,
      said,
    );
  }
  if (judgeCode(code) === 'final')
    return refusal(`Expected ${server} to answer to ${action}, got ${codeAndCure(code)}`);
  if ($metadata?.httpStatusCode === undefined) {
    return new S3Fault(
      `Expected ${server} to answer to ${action}, got ${code}: check the network, and AWS_ENDPOINT_URL_S3 if it is not AWS`,
      said,
    );
  }
  const words = error.message.split('\n', 1)[0];
  return new S3Fault(
    `Expected ${action} on ${url} to work, got ${code} (${$metadata.httpStatusCode})${words && words !== code ? `: ${quote(words, 200)}` : ''}`,
    said,
  );
}

/** Returns the name that S3 or the system gives to the error; undefined for any other error. */
function nameOf(error: SdkError): string | undefined {
  const { name, $metadata } = error;
  if ($metadata?.httpStatusCode !== undefined || name === 'TimeoutError' || name === 'CredentialsProviderError')
    return quote(name);
  const code = codeOf(error);
  return judgeCode(code) !== undefined || /^E(?!RR_)[A-Z_]+$/.test(code) ? code : undefined;
}

export const isFault = (error: unknown, ...codes: string[]): error is S3Fault =>
  error instanceof S3Fault && codes.includes(error.code);

/** Returns whether an error has an HTTP status. Responses to HEAD carry no name. */
export const hasStatus = (error: unknown, status: number): error is S3Fault =>
  error instanceof S3Fault && error.$metadata.httpStatusCode === status;
