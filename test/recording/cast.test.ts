/** A recording is shortened, and nothing of it lost but pauses. */
import { expect, test } from 'vitest';
import { shorten } from './cast.ts';

const cast = (...events: [number, string][]) =>
  `${['{"version": 2}', ...events.map(([at, data]) => JSON.stringify([at, 'o', data]))].join('\n')}\n`;

test('pauses are cut first, then all of it is made as long as asked', () => {
  const recorded = cast([0, 'a'], [1, 'b'], [50, '\x1b[?25l'], [101, 'c'], [102, 'd']);
  expect(shorten(recorded, { seconds: 100, pause: 2, replace: {} })).toBe(cast([0, 'a'], [1, 'b'], [3, 'c'], [4, 'd']));
  expect(shorten(recorded, { seconds: 2, pause: 2, replace: {} })).toBe(
    cast([0, 'a'], [0.5, 'b'], [1.5, 'c'], [2, 'd']),
  );
});

test('folders are renamed, and faint text is grey', () => {
  const recorded = cast([0, '\x1b[2m/somewhere/run\x1b[22m']);
  const shown = shorten(recorded, { seconds: 1, pause: 1, replace: { '/somewhere': '/home/you' } });
  expect(shown).toBe(cast([0, '\x1b[90m/home/you/run\x1b[22;39m']));
});

test('what holds no output is refused', () => {
  expect(() => shorten('', { seconds: 1, pause: 1, replace: {} })).toThrow(
    'Expected a recording with output, got none',
  );
});
