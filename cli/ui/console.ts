/** Output of a command: lines that are redrawn on a terminal, plain lines elsewhere. */
import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';

export interface Console {
  readonly terminal: boolean;
  /** Width of the terminal; undefined where there is none. */
  readonly columns: number | undefined;
  /** Prints a permanent line. */
  line(text?: string): void;
  /** Shows lines that the next call replaces; does nothing where output is not a terminal. */
  picture(lines: readonly string[]): void;
  /** Keeps the last redrawn lines on the screen. */
  settle(): void;
}

export function createConsole(stream: NodeJS.WriteStream = process.stdout): Console {
  const terminal = Boolean(stream.isTTY);
  const update = createLogUpdate(stream);
  let rows = 0;
  return {
    terminal,
    get columns() {
      return terminal ? stream.columns : undefined;
    },
    line(text = '') {
      if (terminal) update.clear();
      stream.write(`${text}\n`);
    },
    picture(lines) {
      if (!terminal) return;
      const now = rowsOf(lines, stream.columns);
      // log-update redraws changed lines in place. Lines below an added or removed one would stay at their old place.
      if (now !== rows) update.clear();
      rows = now;
      update(lines.join('\n'));
    },
    settle() {
      if (terminal) update.done();
    },
  };
}

function rowsOf(lines: readonly string[], columns = 80): number {
  const rows = lines.map(line => Math.max(1, Math.ceil(stripVTControlCharacters(line).length / columns)));
  return rows.reduce((total, each) => total + each, 0);
}
