/** The single table of errors of the system, TLS and HTTP: which are transient, and how to fix the others. */

/** `passing`: transient, a later attempt or another machine may succeed. `final`: the user must change something first. */
export type Verdict = 'passing' | 'final';

const PASSING = new Set(
  [
    // The network.
    'ECONNRESET ECONNREFUSED ECONNABORTED ETIMEDOUT EPIPE EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN ENETRESET ENOTCONN',
    'ENOTFOUND EAI_AGAIN EAI_FAIL EADDRNOTAVAIL ENOBUFS',
    // Disks and the machine.
    'ENOSPC EDQUOT EMFILE ENFILE EBUSY ETXTBSY EAGAIN ENOMEM EINTR EIO ESTALE',
    // undici: the other side was silent, slow or disconnected.
    'UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT UND_ERR_SOCKET UND_ERR_ABORTED UND_ERR_CLOSED',
    'UND_ERR_DESTROYED UND_ERR_RESPONSE UND_ERR_RES_EXCEEDED_MAX_SIZE UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
    'UND_ERR_HEADERS_OVERFLOW',
  ].flatMap(codes => codes.split(' ')),
);

const CERTIFICATE = "name your authority's certificate in NODE_EXTRA_CA_CERTS";

/** Errors that no retry fixes, with the action that does. */
const FINAL = byWord({
  'EACCES EPERM': 'give the user of this process the right to it, or name another place',
  EROFS: 'make the file system writable, or name another place',
  'ENOTSUP EOPNOTSUPP ENOSYS ENOTTY EMLINK EFBIG EINVAL':
    'its file system cannot do this: choose a folder on a local Unix file system',
  EISDIR: 'name a file, not a folder',
  ENOTDIR: 'a part of the path is a file: name another place',
  ELOOP: 'its symbolic links lead in a circle: correct them',
  ENAMETOOLONG: 'name a shorter path',
  'ENXIO ENODEV ERR_INVALID_ARG_VALUE': 'correct the path',
  ENOEXEC: 'install the program for this machine',
  'SELF_SIGNED_CERT_IN_CHAIN DEPTH_ZERO_SELF_SIGNED_CERT UNABLE_TO_VERIFY_LEAF_SIGNATURE': CERTIFICATE,
  'UNABLE_TO_GET_ISSUER_CERT UNABLE_TO_GET_ISSUER_CERT_LOCALLY': CERTIFICATE,
  CERT_HAS_EXPIRED: "renew the server's certificate, or set this machine's clock",
  CERT_NOT_YET_VALID: "set this machine's clock",
  CERT_REVOKED: "renew the server's certificate",
  ERR_TLS_CERT_ALTNAME_INVALID: 'ask by the name that the certificate is for',
  'EPROTO ERR_SSL_WRONG_VERSION_NUMBER ERR_SSL_PACKET_LENGTH_TOO_LONG':
    'the other side does not speak TLS: check http:// and https:// in the address',
});

/** Expands a table: each word of a key gets the key's value. */
function byWord(table: Record<string, string>): Map<string, string> {
  const entries = Object.entries(table);
  return new Map(entries.flatMap(([words, value]) => words.split(' ').map(word => [word, value] as const)));
}

/** Statuses above 500 that no retry changes. */
const NEVER = [501, 505];

/** Returns the code of an error, such as `ENOENT`; empty for a value without one. */
export function codeOf(error: unknown): string {
  const { code } = Object(error) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

/** Classifies a code of the table; undefined for any other. */
export function judgeCode(code: string): Verdict | undefined {
  if (PASSING.has(code)) return 'passing';
  return FINAL.has(code) ? 'final' : undefined;
}

/** Classifies an HTTP status; undefined when the content of the response decides. */
export function judgeStatus(status: number): Verdict | undefined {
  if (NEVER.includes(status)) return 'final';
  return status >= 500 || [408, 425, 429].includes(status) ? 'passing' : undefined;
}

/** Returns the code with its fix: `EACCES: give …`. Returns transient and unknown codes alone. */
export function codeAndCure(code: string): string {
  return judgeCode(code) === 'final' ? `${code}: ${FINAL.get(code)}` : code;
}

const ATTEMPTS = byWord({
  open: 'to open',
  read: 'to read',
  write: 'to write',
  mkdir: 'to make the folder',
  'scandir opendir': 'to list',
  'stat lstat': 'to look at',
  'unlink rm rmdir': 'to remove',
  rename: 'to rename',
  link: 'to link',
  copyfile: 'to copy',
  'fsync fdatasync': 'to fsync',
});

/** Returns one line for the user: call, path, code and fix of a system error, or another error's message. */
export function lineOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { syscall, path, code } = error as NodeJS.ErrnoException;
  if (syscall === undefined || code === undefined || !error.message.startsWith(`${code}: `)) return error.message;
  return `Expected ${ATTEMPTS.get(syscall) ?? `${syscall} of`} ${path ?? 'a file'}, got ${codeAndCure(code)}`;
}
