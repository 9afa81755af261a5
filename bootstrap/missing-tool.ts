/** What every finder of a tool shares: how it is called, what it says while it works, and how it gives up. */

export type Report = (line: string) => void;

export interface FindOptions {
  /** Where settings, PATH, the cache folder and the proxy are read from; default: this process's environment. */
  env?: NodeJS.ProcessEnv;
  /** Gets a line when there is something to say, and at least every ten seconds while something is being made. */
  report?: Report;
  /** Ends the search, and whatever is being built. */
  signal?: AbortSignal;
}

/** Nobody can go on without the tool, and trying again is no use until a person has supplied it. */
export class MissingToolError extends Error {
  override readonly name = 'MissingTool';

  /**
   * @param tool what was looked for: `Caffe`
   * @param tried what was looked at and why it was not that, in order
   * @param supply a sentence that says what to do
   */
  constructor(tool: string, tried: readonly string[], supply: string) {
    super(`Expected ${tool}, got none: ${tried.join('; ')}. ${supply}`);
  }
}

/** Runs work that may be silent for long: when it has reported nothing for `everyMs`, says that it goes on. */
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

/** The first line of an error, for a list of what was tried. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  // fetch says only that it failed; why is in the cause.
  const why = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : undefined;
  return `${message.split('\n', 1)[0]}${why === undefined ? '' : ` (${why})`}`;
}
