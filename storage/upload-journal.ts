/**
 * Which parts of an upload are on the disk: an append-only text file beside the data, one line a part.
 *
 * `12 9ae0f1c4 5b0d77e2` says that part 12 is there with CRC-32C 9ae0f1c4, `12 -------- …` that it is about to be overwritten. The last
 * word is the CRC-32C of what stands before it. A line is written after its part's bytes are on the disk.
 */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { crc32c } from './checksum.ts';

export interface UploadJournal {
  /** Parts on the disk with their CRC-32C. */
  readonly done: ReadonlyMap<number, number>;
  /** Says that these parts (number, CRC-32C) are on the disk, in one write. */
  record(parts: readonly (readonly [n: number, crc: number])[]): Promise<void>;
  /** Says, before its bytes are overwritten, that part `n` is not there any more. */
  withdraw(n: number): Promise<void>;
  close(): Promise<void>;
}

/** Opens the journal of an upload's only writer, or makes it. */
export async function openJournal(path: string): Promise<UploadJournal> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
  try {
    return await goOn(handle);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function goOn(handle: FileHandle): Promise<UploadJournal> {
  const { done, bytes } = parseJournal(await handle.readFile('latin1'));
  let end = bytes;
  await handle.truncate(end);
  const write = async (text: string) => {
    const lines = Buffer.from(text, 'latin1');
    // At a position of its own rather than appended: the next line then overwrites one that a full disk has cut short.
    await handle.write(lines, 0, lines.length, end);
    await handle.datasync();
    end += lines.length;
  };
  return {
    done,
    async record(parts) {
      await write(parts.map(([n, crc]) => formatLine(n, crc)).join(''));
      for (const [n, crc] of parts) done.set(n, crc);
    },
    async withdraw(n) {
      done.delete(n);
      await write(formatLine(n, undefined));
    },
    close: () => handle.close(),
  };
}

/** @returns the parts that are there, and the length of the text up to the first line that is torn */
export function parseJournal(text: string): { done: Map<number, number>; bytes: number } {
  const done = new Map<number, number>();
  let bytes = 0;
  while (bytes < text.length) {
    const end = text.indexOf('\n', bytes);
    const line = /^(\d+) ([0-9a-f]{8}|-{8}) [0-9a-f]{8}$/.exec(text.slice(bytes, Math.max(end, bytes)));
    if (!line) break;
    const n = Number(line[1]);
    const crc = line[2]!.startsWith('-') ? undefined : Number.parseInt(line[2]!, 16);
    if (`${line[0]}\n` !== formatLine(n, crc)) break;
    if (crc === undefined) done.delete(n);
    else done.set(n, crc);
    bytes = end + 1;
  }
  return { done, bytes };
}

export function formatLine(n: number, crc: number | undefined): string {
  const said = `${n} ${crc === undefined ? '--------' : hex(crc)}`;
  return `${said} ${hex(crc32c(Buffer.from(said, 'latin1')))}\n`;
}

const hex = (crc: number) => crc.toString(16).padStart(8, '0');
