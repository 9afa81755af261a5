/** What a person reads while a run goes on and when it is done. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Metrics } from '../../activities/report/types.ts';
import type { Strike } from '../../cli/chaos/strike.ts';
import { killLines, survivedLines } from '../../cli/chaos/view.ts';
import { checkRoom } from '../../cli/local/preflight.ts';
import { createConsole } from '../../cli/ui/console.ts';
import { plotBraille } from '../../cli/ui/curve-view.ts';
import type { Live } from '../../cli/ui/pending-activities.ts';
import { endedLine, plainLine, progressLines } from '../../cli/ui/progress-view.ts';
import { summaryLines } from '../../cli/ui/summary.ts';
import { differences } from '../../config/merge.ts';
import { STAGES } from '../../config/stages.ts';
import { bar, bytes, duration, table } from '../../lib/format.ts';
import { initialProgress, progressDetails } from '../../workflows/progress.ts';

const QUIET: Live = { parts: [], shards: [], segments: [], troubles: [] };

describe('figures', () => {
  test('bytes, times and bars', () => {
    expect([0, 999, 1000, 51_234_000, 34_988_445_506].map(bytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '51.2 MB',
      '35.0 GB',
    ]);
    expect([0, 59.4, 60, 3599, 3600, 108_720].map(duration)).toEqual([
      ...['0 s', '59 s', '1 min 00 s', '59 min 59 s', '1 h 00 min', '30 h 12 min'],
    ]);
    expect([0, 0.5, 1, 2].map(share => bar(share, 4))).toEqual(['····', '██··', '████', '████']);
    expect(
      table([
        ['a', 'bb'],
        ['ccc', 'd'],
      ]),
    ).toEqual(['a    bb', 'ccc   d']);
  });

  test('what differs between two inputs', () => {
    expect(differences({ a: { b: 1, c: [1] }, d: 2 }, { a: { b: 3, c: [1] }, e: 'x' })).toEqual([
      ...['a.b 1 → 3', 'd 2 → absent', 'e absent → "x"'],
    ]);
    expect(differences({ a: [1, 2] }, { a: [1, 2] })).toEqual([]);
  });
});

describe('progress', () => {
  const progress = initialProgress('demo', STAGES);
  Object.assign(progress.stages.download, {
    ...{ state: 'done', done: 6, of: 6, startedAt: 0, endedAt: 4_000 },
    counts: { parts: 5, bytes: 47_900_000, labels: 600 },
  });
  Object.assign(progress.stages.prepare, {
    state: 'running',
    done: 1,
    of: 5,
    startedAt: 4_000,
    counts: { pictures: 128 },
  });
  const live: Live = { ...QUIET, shards: [{ shard: 1, next: 64, of: 128 }] };

  test('a line a stage: what is done, how far the running one is and how fast', () => {
    const lines = progressLines({ progress, live, now: 14_000 }).map(line => stripVTControlCharacters(line));
    expect(lines[0]).toBe('  ✓ download  5 parts, 47.9 MB, 600 labels · 4 s');
    expect(lines[1]).toBe(`  ● prepare   ${bar(1.5 / 5, 24)} 1/5 shards · 192 pictures, 19/s · about 23 s to go`);
    expect(lines[2]).toBe('  ○ label     waiting');
  });

  test('plain lines hold the same without bars, and say why something is tried again', () => {
    const troubles = [{ activity: 'unzipAndAugment', attempt: 3, message: 'no space left' }];
    expect(plainLine({ progress, live: { ...live, troubles }, now: 14_000 })).toBe(
      'prepare 1/5 shards · 192 pictures, 19/s · about 23 s to go | retrying unzipAndAugment, try 3: no space left',
    );
    expect(endedLine('download', progress.stages.download)).toBe('done download 5 parts, 47.9 MB, 600 labels · 4 s');
  });

  test('other files of the archive are counted where there are any', () => {
    const ended = (counts: Record<string, number>) => {
      const prepare = { ...progress.stages.prepare, state: 'done' as const, counts };
      const stages = { ...progress.stages, prepare };
      return [endedLine('prepare', prepare), progressDetails({ ...progress, stages })];
    };
    const [line, details] = ended({ entries: 12, pictures: 12, shards: 1, quarantined: 0, ignored: 14 });
    expect(line).toContain('12 pictures in 1 shards, 0 quarantined, ignored: 14 other files');
    expect(details).toContain('| – other files | | 14 ignored |');
    expect(ended({ entries: 12, pictures: 12, shards: 1, quarantined: 0 }).join('\n')).not.toMatch(/ignored|other/);
  });

  test('a budget says what is spent, and who waits for more: on the terminal, in plain lines, in the details', () => {
    const waiting = [{ name: 'train-0-vs-1234', cost: 0.081 }];
    const budget = { currency: 'EUR', perGpuHour: 0.9, limit: 1, spent: 0.95, waiting };
    const view = { progress: { ...progress, budget }, live: QUIET, now: 0 };
    const said = [progressLines(view).join('\n'), plainLine(view), progressDetails(view.progress)];
    for (const text of said.map(stripVTControlCharacters)) {
      expect(text).toContain('0.9500 of 1.00 EUR spent; paused by the budget: train-0-vs-1234');
      expect(text).toContain('would cost about 0.0810 EUR. The update `raiseBudget` goes on');
    }
  });

  test("the details for the Web UI are a table that holds each stage's figures", () => {
    const details = progressDetails(progress);
    expect(details).toContain('| **download** | done | 6 of 6 parts | 4 |  |');
    expect(details).toContain('| – archive | | 5 parts, 47.9 MB (0 MB fetched), 600 labels |  | |');
    expect(details).toContain('| **prepare** | running | 1 of 5 shards |');
    expect(details).toContain('| – augment | | 128 pictures |  | |');
    const steering = [{ asked: 'pause', plan: 'refused: it is paused already', at: Date.UTC(2026, 1, 2, 3, 4, 5) }];
    expect(progressDetails({ ...progress, steering })).toMatch(
      /\n\n- 03:04:05 \*\*pause\*\*: refused: it is paused already$/,
    );
  });
});

describe('the end', () => {
  const metrics = {
    source: 'synthetic',
    images: { seen: 600, quarantined: 0 },
    folds: {
      train: { patients: 146, eyes: 292 },
      validation: { patients: 77, eyes: 154 },
      test: { patients: 77, eyes: 154 },
    },
    splits: [
      {
        name: '<0>/<1..4>',
        auc: 0.959,
        aucInterval: [0.919, 0.988],
        accuracy: 0.883,
        majorityAccuracy: 0.63,
        positives: 97,
      },
      { name: '<0..3>/<4>', auc: null, aucInterval: null, accuracy: null, majorityAccuracy: null, positives: 0 },
    ],
    regression: { qwk: 0.813, qwkInterval: [0.742, 0.872], mae: 0.4, accuracy: 0.6 },
    baseline: { qwk: 0.801 },
    work: { segmentsTrained: 40, segmentsReused: 2, segmentsRepeated: 1, iterationsLost: 12 },
  } as unknown as Metrics;

  test('QWK and each split with its interval, beside what a guess is worth; what cannot be computed is a dash', () => {
    const text = stripVTControlCharacters(summaryLines(metrics).join('\n'));
    expect(text).toContain('QWK 0.813 0.742–0.872 on 154 held-out eyes of 77 patients; without regression 0.801');
    expect(text).toMatch(/<0>\/<1\.\.4> +0\.959 +0\.919–0\.988 +88\.3 % +63\.0 % +97/);
    expect(text).toMatch(/<0\.\.3>\/<4> +– +– +– +– +0/);
    expect(text).toContain('says nothing about medicine');
    expect(text).toContain('40 segments trained, 2 found, 1 begun in vain (12 iterations)');
  });

  test('other files of the archive have a line, where there are any', () => {
    const text = (ignored?: number) =>
      stripVTControlCharacters(
        summaryLines({ ...metrics, images: { ...metrics.images, ...(ignored && { ignored }) } }).join('\n'),
      );
    expect(text(14)).toContain('\n  ignored: 14 other files\n');
    expect(text(1)).toContain('\n  ignored: 1 other file\n');
    expect(text()).not.toContain('ignored');
  });

  test('real photographs have no banner', () => {
    expect(summaryLines({ ...metrics, source: 'kaggle' }).join('\n')).not.toContain('medicine');
  });
});

test('a disk without room for a new run is refused with both figures', async () => {
  await expect(checkRoom('/', 1e18)).rejects.toThrow(/^Expected about 1000000\.0 TB free for \/, got .*: make room/);
  await expect(checkRoom('/', 1)).resolves.toBeUndefined();
});

describe('curves in the terminal', () => {
  test('go from the lowest value below to the highest above, over all epochs that are planned', () => {
    const rising = plotBraille(
      [1, 2, 3, 4].map(x => [x, x] as const),
      { width: 2, height: 1, x: [1, 4], y: [1, 4] },
    );
    expect(rising).toEqual(['⡠⠊']);
    const half = plotBraille(
      [
        [1, 1],
        [2, 0],
      ],
      { width: 4, height: 2, x: [1, 8], y: [0, 1] },
    );
    expect(half).toEqual(['⡇⠀⠀⠀', '⢸⠀⠀⠀']);
    expect(plotBraille([[1, 7]], { width: 1, height: 1, x: [1, 2], y: [7, 7] })).toEqual(['⠂']);
  });

  test('stand below their split, once there are two epochs', () => {
    const progress = initialProgress('demo', STAGES);
    Object.assign(progress.stages.train, { state: 'running', done: 2, of: 16, startedAt: 0 });
    const split = {
      ...{
        k: 0,
        name: 'train-0-vs-1234',
        epoch: 2,
        epochs: 4,
        iteration: 20,
        iterations: 40,
        loss: 0.4,
        accuracy: 0.8,
      },
      ...{ auc: 0.8, bestAuc: 0.8, bestEpoch: 2, segmentsTrained: 2, segmentsReused: 0 },
      lost: { attempts: 0, iterations: 0, seconds: 0 },
    };
    const point = (epoch: number) => ({
      epoch,
      loss: 0.5,
      validationLoss: 0.9 - 0.2 * epoch,
      auc: 0.4 + 0.2 * epoch,
      trainingAuc: null,
    });
    const lines = (curve: ReturnType<typeof point>[]) => {
      progress.splits = [{ ...split, curve }];
      return progressLines({ progress, live: QUIET, now: 1 }).map(line => stripVTControlCharacters(line));
    };
    expect(lines([point(1)])).toHaveLength(STAGES.length + 1);
    const two = lines([point(1), point(2)]);
    expect(two).toHaveLength(STAGES.length + 3);
    const at = two.findIndex(line => line.includes('0|1234'));
    expect(two[at + 1]).toMatch(/^ {6}loss 0\.700 [⠀-⣿]{24} {3}AUC {2}0\.800 [⠀-⣿]{24}$/);
    expect(two[at + 2]).toMatch(/^ {11}0\.500 [⠀-⣿]{24} {8}0\.600 [⠀-⣿]{24}$/);
    expect(Math.max(...two.map(line => line.length))).toBeLessThanOrEqual(80);
  });
});

test('a picture that has grown in the middle is drawn whole', () => {
  const written: string[] = [];
  const stream = { isTTY: true, columns: 80, rows: 24, write: (text: string) => written.push(text) };
  const screen = createConsole(stream as unknown as NodeJS.WriteStream);
  screen.picture(['first', 'last']);
  screen.picture(['first', 'new', 'last']);
  expect(stripVTControlCharacters(written.at(-1)!)).toBe('first\nnew\nlast\n');
});

test('a failure takes one line of the terminal', () => {
  const message = `Expected caffe to end well, got SIGKILL: ${'x'.repeat(200)}`;
  const live: Live = { ...QUIET, troubles: [{ activity: 'trainSegment', attempt: 2, message }] };
  const lines = progressLines({ progress: initialProgress('demo', STAGES), live, now: 0, columns: 60 });
  const shown = stripVTControlCharacters(lines.at(-1)!);
  expect(shown).toMatch(/^ {2}! trainSegment, try 2: Expected caffe to end well.*…$/);
  expect(shown.length).toBeLessThan(60);
});

describe('kills', () => {
  const at = (seconds: number, name: string, away: number | null): Strike => ({
    ...{ name: `kill -9 of ${name}`, pids: [7], at: seconds * 1000, away },
  });
  const kills = [at(42, 'the gpu worker', 2.94), at(65, "Temporal's server", null)];

  test('who was killed, when, and whether another is there', () => {
    expect(killLines([], 0, 0)).toEqual([]);
    expect(killLines(kills, 0, 68_000).map(stripVTControlCharacters)).toEqual([
      '',
      '  ✖ 0:42  kill -9  the gpu worker (pid 7)     back in 2.9 s',
      "  ✖ 1:05  kill -9  Temporal's server (pid 7)  away 3 s",
    ]);
  });

  test('what was survived, and what is not the same', () => {
    const work = { seconds: { train: 50, regress: 2 }, segmentsTrained: 32, segmentsRepeated: 0 };
    const calm = { ...work, iterationsLost: 0, secondsLost: 0 } as never;
    const harmed = { ...work, segmentsRepeated: 3, iterationsLost: 70, secondsLost: 12 } as never;
    const compared = [
      { what: 'weights', same: true, detail: '4 of 4' },
      { what: 'metrics.json', same: false, detail: 'every figure' },
    ];
    const lines = survivedLines({ kills, harmed, calm, compared, sha256: { 'train-0-vs-1234': 'abc' } });
    const text = lines.map(stripVTControlCharacters).join('\n');
    expect(text).toContain('Survived 2 kills');
    expect(text).toMatch(/the gpu worker +1 +2\.9 s\n/);
    expect(text).toMatch(/segments begun in vain +3 +0\n +iterations done again +70 +0\n +training lost +12 s +0 s/);
    expect(text).toMatch(/✓ same +weights +4 of 4\n +train-0-vs-1234 +abc\n +✖ OTHER +metrics\.json/);
  });
});
