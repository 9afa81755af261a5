import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { combineCrc32c, crc32c, sha256 } from '../../storage/checksum.ts';

describe('crc32c', () => {
  it('is Castagnoli’s, as RFC 3720 gives it', () => {
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });

  it('goes on from what came before', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        expect(crc32c(b, crc32c(a))).toBe(crc32c(Buffer.concat([a, b])));
      }),
    );
  });
});

describe('combineCrc32c', () => {
  it('gives the checksum of both pieces', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array({ maxLength: 2000 }), (a, b) => {
        expect(combineCrc32c(crc32c(a), crc32c(b), b.length)).toBe(crc32c(Buffer.concat([a, b])));
      }),
    );
  });

  it('is associative, with lengths beyond 32 bit', () => {
    const crc = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    const length = fc.integer({ min: 0, max: 2 ** 40 });
    fc.assert(
      fc.property(crc, crc, crc, length, length, (a, b, c, ofB, ofC) => {
        const left = combineCrc32c(combineCrc32c(a, b, ofB), c, ofC);
        const right = combineCrc32c(a, combineCrc32c(b, c, ofC), ofB + ofC);
        expect(left).toBe(right);
      }),
    );
  });
});

it('sha256 is in hex', () => {
  expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});
