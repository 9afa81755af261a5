/** How a command that runs for long is asked to end. */

/** Thrown inside when somebody wants the command to end: a signal, or npm gone. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  readonly exitCode: number;

  constructor(reason: string, exitCode: number) {
    super(reason);
    this.exitCode = exitCode;
  }
}

const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Signals as a promise that rejects: the first asks for an orderly end, a second one ends the process at once. */
export function stopSignal() {
  let trigger: (stopped: Stopped) => void = () => {};
  const asked = new Promise<never>((_, reject) => {
    trigger = reject;
  });
  asked.catch(() => {});
  const handlers = (Object.keys(SIGNAL_EXIT) as (keyof typeof SIGNAL_EXIT)[]).map(signal => {
    let firstAt = 0;
    const handler = () => {
      // npm may pass on the very Ctrl-C that the terminal sent to all: only a later one is meant as a second.
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
