/** Text from outside in errors: clipped, on one line, without secrets. */
import fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { makeSafe, parseJson, quote, reasonOf, redact, safeMessage } from '../../lib/quote.ts';

const SECRET = 's3cret-of-the-worker';
afterEach(() => vi.unstubAllEnvs());

describe('quote', () => {
  test('shows at most so many characters, on one line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 600 }), fc.integer({ min: 10, max: 200 }), (text, limit) => {
        const shown = quote(text, limit);
        expect(shown.length).toBeLessThanOrEqual(limit + 1);
        expect(shown).not.toMatch(/[\p{Cc}\u2028]/u);
        // No half of a character.
        expect(shown).not.toMatch(/[\ud800-\udbff](?![\udc00-\udfff])/);
      }),
    );
    expect(quote('x'.repeat(1_000))).toBe(`${'x'.repeat(80)}…`);
    expect(quote({ a: [1] })).toBe('{"a":[1]}');
    expect(quote(undefined)).toBe('nothing');
  });

  test.each([
    ['KAGGLE_API_TOKEN=abc\0HOME=/root', 'KAGGLE_API_TOKEN=*** HOME=/root'],
    ['Authorization: Bearer abcdef', 'Authorization: Bearer ***'],
    ['http://alice:p@ss@proxy:1', 'http://***@proxy:1'],
    ['https://h/x?Signature=abc', 'https://h/x?***'],
    ['{"key": "KGAT_3f9c2a77e1d84b06"}', '{"key": "***"}'],
  ])('%j without its secret', (text, shown) => {
    expect(quote(text)).toBe(shown);
  });

  test('knows the secrets of the environment, also where one is cut', () => {
    vi.stubEnv('KAGGLE_KEY', SECRET);
    vi.stubEnv('https_proxy', 'alice:pass@word-1@proxy:3128');
    expect(quote(`x ${SECRET} y pass@word-1`)).toBe('x *** y ***');
    expect(quote(`${'x'.repeat(70)} ${SECRET}`)).not.toContain('s3cret');
  });

  test('takes time that grows with the text alone', () => {
    // With a quadratic pattern this takes longer than a test may.
    for (const hostile of ['//', 'https://', 'KEY', 'TOKEN=', 'Bearer ', 'Unexpected token "'])
      safeMessage(redact(hostile.repeat(100_000)));
  });
});

describe('JSON', () => {
  test.each([
    ['hunter2 and more', 'Expected x to be JSON, got other text'],
    ['{"a": hunter2}', 'Expected x to be JSON, got other text'],
    ['{"a"', 'Expected x to be JSON, got a mistake at character 5'],
    [' ', 'Expected x to be JSON, got nothing'],
  ])('%j is refused without a word of it', (text, message) => {
    expect(() => parseJson(text, 'x')).toThrow(new Error(message));
  });

  test('nothing of it stays in what others say about it', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 60 }), text => {
        const canary = `"Zq7${text}`;
        try {
          JSON.parse(canary.slice(1));
        } catch (error) {
          expect(reasonOf(error)).not.toContain('Zq7');
        }
      }),
    );
  });
});

test('an error and its causes lose their secrets, in message and stack', () => {
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', SECRET);
  const inner = new DOMException(`inner ${SECRET}`, 'AbortError');
  const error = new Error(`outer ${SECRET}`, { cause: new TypeError(`middle ${SECRET}`, { cause: inner }) });
  makeSafe(error);
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    expect(at.message).toMatch(/^(outer|middle|inner) \*\*\*$/);
    expect(at.stack).not.toContain(SECRET);
  }
  expect(error.stack).toContain('quote.test.ts');
});
