/** The head of an HTTP/1.1 answer. Pure. */

export interface AnswerHead {
  statusCode: number;
  /** Names in small letters; of lines that come twice, all values. */
  headers: Record<string, string | string[]>;
  /** Bytes of the body as stated; undefined where it comes in chunks, or until the connection ends. */
  length: number | undefined;
}

/** @param text without the empty line at its end */
export function parseHead(text: string): AnswerHead {
  const [status = '', ...lines] = text.split('\r\n');
  const statusCode = Number(/^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(status)?.[1] ?? 0);
  const headers: Record<string, string | string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    const before = headers[name];
    headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  const stated = headers['content-length'];
  const plain = headers['transfer-encoding'] === undefined && typeof stated === 'string' && /^\d+$/.test(stated);
  return { statusCode, headers, length: plain ? Number(stated) : undefined };
}
