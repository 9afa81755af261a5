/** Where a command writes: a picture that is redrawn on a terminal, plain lines elsewhere. */
import { stripVTControlCharacters } from 'node:util';
import { createLogUpdate } from 'log-update';

export interface Console {
  readonly terminal: boolean;
  /** Of the terminal; undefined where there is none. */
  readonly columns: number | undefined;
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
      // log-update redraws what has changed where it stands: what follows lines that are new or gone would stay at its old place.
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
