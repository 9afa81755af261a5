import { describe, expect, it } from 'vitest';
import { isLoopback, parseRetryAfter } from '../../activities/download/http.ts';
import { parseLabels } from '../../activities/download/parse-labels.ts';
import { parseContentRange, parseGoogHash, validatorOf } from '../../activities/download/ranges.ts';
import { parseSignedUrl } from '../../activities/download/signed-url.ts';
import { redact } from '../../lib/quote.ts';

describe('headers', () => {
  it('of ranges and checksums are read in every form they come in', () => {
    expect(parseContentRange('bytes 5-9/10')).toEqual({ first: 5, last: 9, total: 10 });
    expect(parseContentRange('bytes */10')).toBeUndefined();
    expect(parseGoogHash('crc32c=AAAAAQ==,md5=1B2M2Y8AsgTpgAmY7PhCfg==')).toBe(1);
    expect(parseGoogHash(['md5=1B2M2Y8AsgTpgAmY7PhCfg==', 'crc32c=/////w=='])).toBe(0xffffffff);
    expect(parseGoogHash('md5=1B2M2Y8AsgTpgAmY7PhCfg==')).toBeNull();
    expect(validatorOf({ etag: 'W/"1"', 'last-modified': 'Tue' })).toBe('Tue');
    expect(validatorOf({ etag: '"1"', 'last-modified': 'Tue' })).toBe('"1"');
  });

  it('of waits are seconds or a date', () => {
    expect(parseRetryAfter('7')).toBe(7000);
    expect(parseRetryAfter('Tue, 17 Feb 2015 00:00:30 GMT', Date.UTC(2015, 1, 17))).toBe(30_000);
    expect(parseRetryAfter('soon')).toBeUndefined();
  });
});

describe('a signed address', () => {
  const base = new URL('https://api.kaggle.com');
  const now = Date.UTC(2026, 0, 1);

  it('tells its file and when it has to be renewed', () => {
    const v4 = parseSignedUrl(
      'https://s/b/train.zip.001.zip?X-Goog-Date=20260101T000000Z&X-Goog-Expires=1000',
      base,
      now,
    );
    expect(v4).toMatchObject({ fileName: 'train.zip.001.zip', renewAt: now + 900_000 });
    const v2 = parseSignedUrl(`https://s/b/train.zip.001?Expires=${now / 1000 + 100}&Signature=x`, base, now);
    expect(v2).toMatchObject({ fileName: 'train.zip.001', renewAt: now + 90_000 });
  });

  it('is used as it is where its time is unknown or over by this clock', () => {
    expect(parseSignedUrl('https://s/b/x', base, now)?.renewAt).toBe(Number.POSITIVE_INFINITY);
    expect(parseSignedUrl('https://s/b/x?Expires=1', base, now)?.renewAt).toBe(Number.POSITIVE_INFINITY);
  });

  it('may not lead from https to http, nor anywhere else', () => {
    for (const location of [undefined, 'http://s/b/x', 'ftp://s/x', 'https://', 'file:///x']) {
      expect(parseSignedUrl(location, base, now)).toBeUndefined();
    }
    expect(parseSignedUrl('http://s/x', new URL('http://127.0.0.1:1'))?.fileName).toBe('x');
  });
});

describe('labels', () => {
  const read = (text: string) => parseLabels(Buffer.from(text), 'trainLabels.csv');

  it('are normalised and counted', () => {
    expect(read('\ufeffimage,level\r\n"10_left",0\r\n10_right, 4\r\n\r\n')).toEqual({
      csv: 'image,level\n10_left,0\n10_right,4\n',
      rows: 2,
      levels: new Map([
        ['10_left', 0],
        ['10_right', 4],
      ]),
      stages: [1, 0, 0, 0, 1],
    });
  });

  it.each([
    ['', 'Expected the header `image,level` in line 1 of trainLabels.csv, got an empty file'],
    ['name,stage\n1_left,0\n', 'Expected the header `image,level` in line 1 of trainLabels.csv, got `name,stage`'],
    [
      'image,level,Usage\n1_left,0,Public\n',
      'in line 1 of trainLabels.csv, got `image,level,Usage`: keep only its first two columns',
    ],
    ['image,level\n', 'Expected at least one image with its level in line 2'],
    [
      'image,level\n1_left,0\n\n2_left,5\n',
      'Expected a level that is an integer from 0 to 4 in line 4 of trainLabels.csv, got `5`',
    ],
    ['image,level\n1_left,1.0\n', 'in line 2 of trainLabels.csv, got `1.0`'],
    ['image,level\n1_left,\n', 'in line 2 of trainLabels.csv, got ``'],
    [
      'image,level\n1_left,0\n2_left,1\n1_left,2\n',
      'Expected 1_left once in line 4 of trainLabels.csv, got it again after line 2',
    ],
    ['image,level\n1_left,0,7\n', 'Expected an image and its level in line 2 of trainLabels.csv, got 3 fields'],
    ['image,level\n../x,0\n', 'Expected the name of an image in line 2 of trainLabels.csv, got `../x`'],
    ['image,level\n"1_left,0\n', 'Expected trainLabels.csv to be CSV'],
  ])('that are wrong name the line: %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });
});

describe('what is told', () => {
  it('holds neither secrets nor the queries of addresses', () => {
    expect(redact('s3cret at https://h/x?Signature=abc, again s3cret', ['s3cret'])).toBe(
      '*** at https://h/x?*** again ***',
    );
  });

  it('knows loopback by every name, and nothing else', () => {
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '[::1]']) expect(isLoopback(host)).toBe(true);
    for (const host of ['localhost.example', '128.0.0.1', '127.0.0.1.example', 'kaggle.com'])
      expect(isLoopback(host)).toBe(false);
  });
});
