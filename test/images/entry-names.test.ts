/** The input's pattern runs over an archive's names: in linear time, and so that the worker stays able to do other things. */
import { describe, expect, test } from 'vitest';
import { entryPattern, matchNames } from '../../activities/images/open-archive.ts';
import { resolveInput } from '../../config/resolve.ts';

const { signal } = new AbortController();
const records = (names: readonly string[]) => names.map(name => ({ name: Buffer.from(name) }));
const matching = async (pattern: string, ...names: string[]) => {
  const { test: matches } = await matchNames(records(names), entryPattern(pattern), signal);
  return names.filter(matches);
};

describe('a pattern', () => {
  test.each([
    // Each of these takes longer than the universe is old in an engine that goes back.
    ['^(([a-z0-9_./]+)+)+\\d!$', `train/${'a'.repeat(900)}`],
    ['^(\\d|\\d\\d|a|aa)+$', `${'a1'.repeat(450)}!`],
    ['(.*)(.*)(.*)(.*)(.*)(.*)(.*)\\d$', 'x'.repeat(1_000)],
    ['(x+x+)+y\\d', 'x'.repeat(1_000)],
  ])('%s ends over any name', async (pattern, name) => {
    resolveInput({ archive: { entries: pattern } });
    expect(
      await matching(pattern, ...Array.from({ length: 20 }, (_, n) => `${name}${n % 2 ? '' : '_'}`), name),
    ).toEqual(pattern.includes('.*') ? expect.any(Array) : []);
  });

  test('means what it did', async () => {
    const names = ['train/10_left.jpeg', 'train/10_left.jpeg\n', 'x/train/10_left.jpeg', 'train/a_left.jpeg'];
    expect(await matching(resolveInput({}).archive.entries, ...names)).toEqual(names.slice(0, 1));
    expect(await matching('^[^/]+/(?i)IMG[-_ ]?\\d{2,4}\\.jpe?g$', 'a/img_12.jpg', 'a/img_1.jpg')).toEqual([
      'a/img_12.jpg',
    ]);
  });

  test.each([
    ['(?=\\d)1', /`\(\?=` \(RE2's syntax/],
    ['(\\d)\\1', /`\\1` \(RE2's syntax/],
    [`\\d${'a'.repeat(500)}`, /more than 500 characters/],
    ['((\\d{0,50}){0,20}x){0,9}', /expression too large|too large a pattern|invalid repeat/],
  ])('%s is refused before anything runs, and by the activity', (pattern, reason) => {
    expect(() => resolveInput({ archive: { entries: pattern } })).toThrow(reason);
    expect(() => entryPattern(pattern)).toThrow(reason);
  });
});

test('the activity hears that it is to stop while names are matched', async () => {
  const stop = new AbortController();
  const many = records(Array.from({ length: 200_000 }, (_, n) => `${'x'.repeat(600)}${n}_`));
  const beats: number[] = [];
  const heart = setInterval(() => {
    beats.push(1);
    if (beats.length === 3) stop.abort(new Error('stopped'));
  }, 1);
  await expect(matchNames(many, entryPattern('(.*.*.*.*.*)\\d$'), stop.signal)).rejects.toThrow('stopped');
  clearInterval(heart);
});
