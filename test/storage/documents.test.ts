import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatDocument, getJson, getSoundJson, parseDocument, putJson, settleJson } from '../../storage/documents.ts';
import { createFileStore } from '../../storage/file.ts';
import { type ArtifactStore, CorruptObject } from '../../storage/store.ts';

let folder: string;
let store: ArtifactStore;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'retinopathy-documents-'));
  store = createFileStore(join(folder, 'store'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const DOCUMENT = { qwk: 0.8396, name: 'Ä "documentCrc32c": "00000000"\n}\n', splits: [0, 1], none: null };

describe('a document', () => {
  it('is the JSON that was given, with a checksum at its end', () => {
    expect(JSON.parse(formatDocument(DOCUMENT))).toEqual({
      ...DOCUMENT,
      documentCrc32c: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), value => {
        expect(parseDocument(formatDocument(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('with any bit flipped or any end cut off is refused, or says the same', () => {
    const whole = Buffer.from(formatDocument(DOCUMENT));
    const same = (bytes: Buffer) => {
      try {
        const content = parseDocument<typeof DOCUMENT>(bytes.toString('utf8'));
        return Object.entries(DOCUMENT).every(([name, value]) => {
          return JSON.stringify(content[name as keyof typeof DOCUMENT]) === JSON.stringify(value);
        });
      } catch {
        return true;
      }
    };
    for (let bit = 0; bit < 8 * whole.length; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect([bit, same(flipped)]).toEqual([bit, true]);
    }
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseDocument(whole.subarray(0, length).toString('utf8'))).toThrow();
    }
  });

  it('is not believed without its checksum', () => {
    expect(() => parseDocument(`${JSON.stringify(DOCUMENT, null, 2)}\n`)).toThrow('a text without its checksum');
  });

  it('that is corrupt is named in one line, and stands for nothing where it can be made again', async () => {
    await putJson(store, 'a.json', DOCUMENT);
    expect(await getJson(store, 'a.json')).toEqual(DOCUMENT);
    expect(await getJson(store, 'b.json')).toBeUndefined();
    const text = formatDocument(DOCUMENT).replace('0.8396', '0.8397');
    for (const corrupt of [text, text.slice(0, -9)]) {
      await store.put('a.json', Buffer.from(corrupt), { overwrite: true });
      const error = await getJson(store, 'a.json').catch((error: unknown) => error as Error);
      expect(error).toBeInstanceOf(CorruptObject);
      expect((error as Error).message).toMatch(
        /^Expected a\.json in file:\S+ to be as it was stored, got a text .*[^\n]*$/,
      );
      expect(await getSoundJson(store, 'a.json')).toBeUndefined();
    }
    expect(await settleJson(store, 'a.json', DOCUMENT)).toEqual({ content: DOCUMENT, created: true });
    expect(await settleJson(store, 'a.json', { qwk: 0 })).toEqual({ content: DOCUMENT, created: false });
    expect(await settleJson(store, 'a.json', { qwk: 0 }, () => false)).toEqual({ content: { qwk: 0 }, created: true });
  });
});
