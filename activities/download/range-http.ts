/** GETs of ranges over connections that are kept for the next one. */
import type { AnswerHead } from './answer-head.ts';
import { type ConnectionOptions, RangeConnection } from './range-connection.ts';

export interface RangeAnswer extends AnswerHead {
  /** The body, in pieces that are good until the next one is asked for; empty where its length is not stated. */
  body: AsyncIterable<Buffer>;
  /** Lets the body go that nobody reads. */
  leave(): void;
}

export type GetRange = (url: URL, headers: Record<string, string>, signal: AbortSignal) => Promise<RangeAnswer>;

/** @returns a function that rejects with an error of the system, with its code, when no answer comes */
export function createRangeHttp(options: ConnectionOptions): GetRange {
  const kept = new Map<string, RangeConnection[]>();
  return async (url, headers, signal) => {
    signal.throwIfAborted();
    const idle = kept.get(url.origin) ?? [];
    kept.set(url.origin, idle);
    let connection = idle.pop();
    while (connection && !connection.usable) {
      connection.end();
      connection = idle.pop();
    }
    const used = connection ?? (await RangeConnection.open(url, options, signal));
    const head = await used.get(url, headers, signal);
    return { ...head, body: used.body(head.length ?? 0, signal, () => idle.push(used)), leave: () => used.end() };
  };
}
