/** Shared code of all searches for a tool: their options, progress reports and errors. */
import { quote, safeMessage } from '../quote.ts';

export type Report = (line: string) => void;

export interface FindOptions {
  /** Source of settings, PATH, the cache folder and the proxy; default: this process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Receives lines of progress, at least every ten seconds while a tool is being installed or built. */
  report?: Report;
  /** Aborts the search and any build. */
  signal?: AbortSignal;
}

/** A required tool is missing. A retry is useless until the user has supplied it. */
export class MissingToolError extends Error {
  override readonly name = 'MissingTool';

  /**
   * @param tool name of the tool: `Caffe`
   * @param tried reasons of the failed attempts, in order
   * @param supply a sentence that says what to do
   */
  constructor(tool: string, tried: readonly string[], supply: string) {
    super(`Expected ${tool}, got none: ${tried.join('; ')}. ${supply}`);
  }
}

/** Runs work that may be silent for long. Reports that it is still running after each `everyMs` ms without a report. */
export async function neverSilent<T>(
  what: string,
  report: Report,
  work: (report: Report) => Promise<T>,
  everyMs = 10_000,
): Promise<T> {
  const started = Date.now();
  const sign = setInterval(
    () => report(`${what}: still at it (${Math.round((Date.now() - started) / 1000)} s)`),
    everyMs,
  );
  try {
    return await work(line => {
      sign.refresh();
      report(line);
    });
  } finally {
    clearInterval(sign);
  }
}

/** Returns a report that passes on at most one line every five seconds, the first after five seconds. */
export function seldom(report: Report): Report {
  let told = Date.now();
  return line => {
    if (Date.now() - told < 5_000) return;
    told = Date.now();
    report(line);
  };
}

/** Returns the first line of an error, for a list of attempts. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  // `fetch` reports only that it failed. The reason is in the cause.
  const why = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : undefined;
  return `${safeMessage(message.split('\n', 1)[0] ?? '')}${why === undefined ? '' : ` (${quote(why)})`}`;
}
