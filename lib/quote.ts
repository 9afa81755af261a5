/**
 * Clips and redacts text from outside: files, responses of servers, settings, messages of libraries. Every error that quotes such
 * text does it here. An error ends in the workflow's history, which every viewer of the run can read.
 */

/** Characters of outside text that an error shows. */
const MAX_QUOTED = 80;
const MAX_REASON = 200;
/** Characters of a whole message. */
const MAX_MESSAGE = 4_000;
/** Characters beyond the limit that are redacted before the final clip, because half a secret is not recognized. */
const MARGIN = 200;
const MAX_CAUSES = 10;

/** Names of settings that hold a secret. */
const SECRET_NAME = /(?:TOKEN|SECRET|PASSWORD|PASSWD|(?:API|ACCESS|SECRET|PRIVATE|KAGGLE)_?KEY)$/i;
/** Characters of the shortest secret. A shorter value may occur anywhere by chance. */
const MIN_SECRET = 8;

/** Patterns of text that looks like a secret, from any source, with their replacements. */
const SUSPECTS: [RegExp, string][] = [
  // `//user:password@host`; a password may hold an `@`.
  [/\/\/[^\s/"'<>]{1,500}@/g, '//***@'],
  [/(https?:\/\/[^\s?"'<>]{1,2000})\?[^\s"'<>]+/g, '$1?***'],
  [/\b(Bearer|Basic) +[\w+/=.~-]{4,}/gi, '$1 ***'],
  [/\b(?:KGAT_|AKIA|ASIA)[\w-]{8,}/g, '***'],
  [/\b([A-Z0-9_]{0,40}(?:TOKEN|SECRET|PASSWORD|PASSWD|KEY))=[^\s\p{Cc}]+/gu, '$1=***'],
];

/** Quotes outside text: at most `limit` characters on one line, without secrets. */
export function quote(text: unknown, limit = MAX_QUOTED, secrets: readonly string[] = []): string {
  const whole = typeof text === 'string' ? text : (JSON.stringify(text) ?? 'nothing');
  const line = redact(clip(whole, limit + MARGIN), secrets).replace(/[\s\p{Cc}\p{Cf}]+/gu, ' ');
  return clip(line.trim(), limit);
}

/** Replaces the given secrets, those of this process's environment, text that looks like a secret, and the queries of addresses. */
export function redact(text: string, secrets: readonly string[] = []): string {
  let clean = text;
  for (const secret of [...secrets, ...secretsOf(process.env)]) clean = clean.replaceAll(secret, '***');
  for (const [pattern, instead] of SUSPECTS) clean = clean.replace(pattern, instead);
  return clean;
}

/** Returns the first line of an error's message, to be quoted in another error. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return quote(safeMessage(message).trim().split('\n', 1)[0], MAX_REASON);
}

/** Returns a message that may hold text from outside, redacted and clipped. */
export function safeMessage(message: string): string {
  return clip(redact(withoutJson(clip(message, MAX_MESSAGE + MARGIN))), MAX_MESSAGE);
}

/** Redacts and clips the message and the stack of an error and of its causes, in place. */
export function makeSafe(error: unknown): void {
  let cause = error;
  for (let depth = 0; cause instanceof Error && depth < MAX_CAUSES; depth++, cause = cause.cause) {
    const { message, stack } = cause;
    const safe = safeMessage(message);
    if (safe === message) continue;
    set(cause, 'message', safe);
    // A stack repeats the message.
    if (stack !== undefined) set(cause, 'stack', safeMessage(stack.replace(message, () => safe)));
  }
}

/**
 * Parses JSON from outside.
 * @param name name of the text, for the error
 * @throws Error `Expected <name> to be JSON, got …`, without the text itself
 */
export function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = /at position (\d+)/.exec((error as Error).message)?.[1];
    const got =
      text.trim() === '' ? 'nothing' : at === undefined ? 'other text' : `a mistake at character ${Number(at) + 1}`;
    throw new Error(`Expected ${name} to be JSON, got ${got}`);
  }
}

/** Redefines the property, because some platform errors have a message that cannot be assigned. */
function set(error: Error, name: 'message' | 'stack', value: string): void {
  Object.defineProperty(error, name, { value, configurable: true, writable: true });
}

/** Removes the text that V8 repeats when it could not parse it. */
function withoutJson(message: string): string {
  return message
    .replace(
      /(?:Unexpected token [\s\S]{1,20}?, )?(?:\.\.\.)?"[\s\S]{0,100}?"(?:\.\.\.)? is not valid JSON/g,
      'other text',
    )
    .replace(/Unexpected end of JSON input/g, 'JSON that is cut short');
}

function secretsOf(env: NodeJS.ProcessEnv): string[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    // The password of a proxy's address, with or without scheme.
    const secret = /_PROXY$/i.test(name) ? (/^(?:[a-z]+:\/\/)?[^:]*:(.+)@/i.exec(value)?.[1] ?? '') : value;
    return secret.length >= MIN_SECRET && (SECRET_NAME.test(name) || secret !== value) ? [secret] : [];
  });
}

/** Clips a text to `limit` characters and an ellipsis. Leaves no half of a character at the end. */
function clip(text: string, limit: number): string {
  return text.length <= limit ? text : `${text.slice(0, limit).replace(/[\ud800-\udbff]$/, '')}…`;
}
