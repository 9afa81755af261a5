/** Where a command writes: a picture that is redrawn on a terminal, plain lines elsewhere. */
import { createLogUpdate } from 'log-update';

export interface Console {
  readonly terminal: boolean;
  /** A line that stays. */
  line(text?: string): void;
  /** Lines that the next call replaces; nothing where output is no terminal. */
  picture(lines: readonly string[]): void;
  /** Leaves the last picture standing. */
  settle(): void;
}

export function createConsole(stream: NodeJS.WriteStream = process.stdout): Console {
  const terminal = Boolean(stream.isTTY);
  const update = createLogUpdate(stream);
  return {
    terminal,
    line(text = '') {
      if (terminal) update.clear();
      stream.write(`${text}\n`);
    },
    picture(lines) {
      if (terminal) update(lines.join('\n'));
    },
    settle() {
      if (terminal) update.done();
    },
  };
}
