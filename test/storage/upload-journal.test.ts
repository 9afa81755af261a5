import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatLine, openJournal, parseJournal } from '../../storage/upload-journal.ts';

const line = fc.tuple(fc.nat(9999), fc.option(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { nil: undefined }));
const text = (lines: [number, number | undefined][]) => lines.map(([n, crc]) => formatLine(n, crc)).join('');

it('says what its whole lines say, wherever a kill cuts it', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.nat(), (lines, at) => {
      const whole = text(lines);
      const cut = at % (whole.length + 1);
      const kept = lines.slice(0, whole.slice(0, cut).split('\n').length - 1);
      const done = new Map<number, number>();
      for (const [n, crc] of kept) crc === undefined ? done.delete(n) : done.set(n, crc);
      expect(parseJournal(whole.slice(0, cut))).toEqual({ done, bytes: text(kept).length });
    }),
  );
});

it('believes no line that was spoilt', () => {
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 5 }), fc.nat(), fc.nat(6), (lines, at, bit) => {
      const bytes = Buffer.from(text(lines), 'latin1');
      const spoilt = at % bytes.length;
      bytes[spoilt]! ^= 1 << bit;
      const before = text(lines).slice(0, spoilt).split('\n').length - 1;
      const { bytes: valid } = parseJournal(bytes.toString('latin1'));
      expect(valid).toBe(text(lines.slice(0, before)).length);
    }),
  );
});

describe('a journal on the disk', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'retinopathy-journal-'));
    path = join(folder, 'journal');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const partsIn = async () => {
    const journal = await openJournal(path);
    const parts = [...journal.done];
    await journal.close();
    return parts;
  };

  it('goes on behind the last whole line', async () => {
    await writeFile(path, `${formatLine(1, 11)}${formatLine(22, 22).slice(0, -3)}`);
    const journal = await openJournal(path);
    await journal.record([
      [3, 33],
      [4, 44],
    ]);
    await journal.withdraw(3);
    await journal.close();
    expect(await partsIn()).toEqual([
      [1, 11],
      [4, 44],
    ]);
  });

  it('is empty where there is none', async () => {
    expect(await partsIn()).toEqual([]);
  });
});
