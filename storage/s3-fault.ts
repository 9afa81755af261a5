/** What S3 answers when it does not do what it was asked: one clear line, without what the answer says about keys and signatures. */

/** A request to S3 that failed. The SDK's own error is left behind: it carries parts of the signed request. */
export class S3Fault extends Error {
  override readonly name: string = 'S3Fault';
  /** S3's name of the error (`NoSuchUpload`) or the system's (`ECONNREFUSED`). */
  readonly code: string;
  readonly $metadata: { httpStatusCode?: number; attempts?: number };

  constructor(message: string, { code, $metadata = {} }: { code: string; $metadata?: S3Fault['$metadata'] }) {
    super(message);
    this.code = code;
    this.$metadata = $metadata;
  }
}

/** The store says no to whoever asks so: trying again is no use until a person has changed something. */
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
  /** The server, for people. */
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
  // versitygw's name for an unknown key.
  'XAdminUserNotFound',
];
const NOT_ALLOWED = ['AccessDenied', 'AllAccessDisabled', 'AccountProblem', 'Forbidden', '403', 'UnauthorizedAccess'];
const ELSEWHERE = [
  'PermanentRedirect',
  'TemporaryRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  '301',
];

/** The error of the SDK as one of ours; what is no error of S3 or the network stays as it is. */
export function faultOf(error: unknown, asked: Asked): unknown {
  if (!(error instanceof Error)) return error;
  const { $metadata, ...rest } = error as SdkError;
  const code = codeOf(error as SdkError);
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
      `Expected the bucket ${bucket} to be in region ${asked.region}, got ${region ?? 'another one'} (${code}): set AWS_REGION to it`,
    );
  }
  if (NOT_ALLOWED.includes(code) || $metadata?.httpStatusCode === 403) {
    if (code === 'RequestTimeTooSkewed') {
      return refusal(`Expected this machine's clock to agree with ${server}, got RequestTimeTooSkewed: set the clock`);
    }
    return refusal(
      `Expected ${action} to be allowed on ${url}, got ${code}: grant it, docs/usage.md lists what is needed`,
    );
  }
  if (code === 'CredentialsProviderError') {
    return new S3Fault(
      `Expected credentials for ${url}, got none: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role`,
      said,
    );
  }
  if ($metadata?.httpStatusCode === undefined) {
    return new S3Fault(
      `Expected ${server} to answer to ${action}, got ${code}: check the network, and AWS_ENDPOINT_URL_S3 if it is not AWS`,
      said,
    );
  }
  const words = error.message.split('\n', 1)[0];
  return new S3Fault(
    `Expected ${action} on ${url} to work, got ${code} (${$metadata.httpStatusCode})${words && words !== code ? `: ${words}` : ''}`,
    said,
  );
}

/** S3's name or the system's; undefined for what neither has raised. */
function codeOf({ name, code, $metadata }: SdkError): string | undefined {
  if ($metadata?.httpStatusCode !== undefined || name === 'TimeoutError' || name === 'CredentialsProviderError')
    return name;
  if (code !== undefined && /^E[A-Z_]+$/.test(code) && !code.startsWith('ERR_')) return code;
  return undefined;
}

export const isFault = (error: unknown, ...codes: string[]): error is S3Fault =>
  error instanceof S3Fault && codes.includes(error.code);

/** By HTTP status: HEAD answers carry no name. */
export const hasStatus = (error: unknown, status: number): error is S3Fault =>
  error instanceof S3Fault && error.$metadata.httpStatusCode === status;
