/** Interrupts of long-running commands. */

/** Thrown when the command is asked to end, by a signal or because npm has exited. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly exitCode: number;

  constructor(reason: string, exitCode: number) {
    super(reason);
    this.exitCode = exitCode;
  }
}

const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Turns signals into a promise that rejects. The first asks for an orderly end; a second one ends the process at once. */
export function stopSignal() {
  let trigger: (stopped: Stopped) => void = () => {};
  const asked = new Promise<never>((_, reject) => {
    trigger = reject;
  });
  asked.catch(() => {});
  const handlers = (Object.keys(SIGNAL_EXIT) as (keyof typeof SIGNAL_EXIT)[]).map(signal => {
    let firstAt = 0;
    const handler = () => {
      // npm may forward the same Ctrl-C that the terminal sent to all processes. Only a later one counts as the second.
      if (firstAt > 0 && Date.now() - firstAt > 1_000) process.exit(SIGNAL_EXIT[signal]);
      firstAt ||= Date.now();
      trigger(new Stopped(signal, SIGNAL_EXIT[signal]));
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return {
    trigger: (stopped: Stopped) => trigger(stopped),
    race: <Result>(work: Promise<Result>): Promise<Result> => Promise.race([asked, work]),
    release: () => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
    },
  };
}

/** Does the work until a signal comes, then waits until it has cleaned up. @returns its result, or the interrupt */
export async function untilStopped<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result | Stopped> {
  const stop = stopSignal();
  const stopped = new AbortController();
  const working = work(stopped.signal);
  try {
    return await stop.race(working);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    await working.catch(() => {});
    return error;
  } finally {
    stop.release();
  }
}
