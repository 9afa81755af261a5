/**
 * Damage anywhere in the archive: the result is right, a picture is set aside with its reason, or the stage fails for good with a
 * named error. Never another picture, a crash or a standstill.
 */
import { ApplicationFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createImageActivities } from '../../activities/images/index.ts';
import type {
  ImageActivities,
  OpenArchiveArgs,
  PreparedShard,
  QuarantinedEntry,
  ShardIndex,
} from '../../activities/images/types.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { sha256 } from '../../storage/checksum.ts';
import type { Artifact } from '../../storage/store.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { eyeJpeg, headerOf, recordOf, storeParts, zipOf } from './support.ts';

const defaults = pipelineInputSchema.parse({});
const images: OpenArchiveArgs['images'] = {
  ...defaults.images,
  ...{ size: 32, versions: ['a'], shardSize: 4, maxQuarantined: 1 },
};
const names = ['1_left', '1_right', '2_left', '2_right', '3_left', '3_right'];
const FOURTH = 'train/2_right.jpeg';

let services: TestServices;
let activities: ImageActivities;
let labels: Artifact;
let archive: Buffer;
/** Between the second and third entry, and within the fifth. */
let borders: number[];
/** What the whole archive gives. */
let right: Map<string, string>;

beforeAll(async () => {
  services = await testServices();
  activities = createImageActivities(services);
  labels = await putBytes(
    services.store,
    'archives/test/labels.csv',
    `image,level\n${names.map((name, n) => `${name},${n % 5}\n`).join('')}`,
  );
  archive = await zipOf(
    await Promise.all(names.map(async (name, n) => [`train/${name}.jpeg`, await eyeJpeg(n, 120, 80)] as const)),
  );
  borders = [headerOf(archive, 'train/2_left.jpeg'), headerOf(archive, 'train/3_left.jpeg') + 700];
  const whole = await outcomeOf(archive);
  right = whole.pictures;
  expect([...right.keys()]).toEqual(names);
});
afterAll(() => services.close());

interface Outcome {
  /** Stage, box and digest of the PNG by image. */
  pictures: Map<string, string>;
  quarantined: QuarantinedEntry[];
  failure: unknown;
}

let runs = 0;

/** The whole stage over the parts of an archive, from its opening to its closing. */
async function outcomeOf(
  bytes: Buffer,
  change: (parts: OpenArchiveArgs['parts']) => OpenArchiveArgs['parts'] = parts => parts,
): Promise<Outcome> {
  const { store } = services;
  const run = (runs++).toString(16).padStart(16, '0');
  const prefix = `stages/prepare/${run}`;
  const parts = change(await storeParts(store, bytes, borders, `archives/${run}`));
  const call = <Args, Result>(activity: (args: Args) => Promise<Result>, args: Args) =>
    new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') }).run(
      activity as never,
      args as never,
    ) as Promise<Result>;
  const outcome: Outcome = { pictures: new Map(), quarantined: [], failure: undefined };
  try {
    const opened = await call(activities.openArchive, { prefix, parts, labels, images, archive: defaults.archive });
    const shards: PreparedShard[] = [];
    for (let shard = 0; shard < opened.shards; shard++) {
      const made = await call(activities.unzipAndAugment, {
        prefix,
        parts,
        images,
        directory: opened.directory,
        shard,
      });
      shards.push(made);
      const index = JSON.parse((await store.get(made.index.key)).toString()) as ShardIndex;
      for (const { image, stage, crop, versions } of index.pictures) {
        const { offset, size } = versions.a!;
        const png = await store.get(index.tar, { offset, length: size });
        outcome.pictures.set(image, JSON.stringify([stage, crop, sha256(png)]));
      }
    }
    const { quarantine } = await call(activities.closeShards, { prefix, parts, images, archive: opened, shards });
    const lines = (await store.get(quarantine.key)).toString().split('\n').slice(0, -1);
    outcome.quarantined = lines.map(line => JSON.parse(line) as QuarantinedEntry);
  } catch (error) {
    outcome.failure = error;
  }
  return outcome;
}

/** Whether a run over damaged parts ended as it must. */
function expectHonest({ pictures, quarantined, failure }: Outcome): void {
  for (const [image, made] of pictures) expect([image, made]).toEqual([image, right.get(image)]);
  if (failure !== undefined) {
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({
      nonRetryable: true,
      type: expect.stringMatching(/^(BadArchive|BadLabels)$/),
      message: expect.stringMatching(/^Expected /),
    });
    return;
  }
  for (const { reason } of quarantined) expect(reason).toMatch(/^Expected .* got /);
  // Nothing disappears without a word.
  expect(pictures.size + quarantined.length).toBe(names.length);
}

const flipped = (at: number, mask = 0x20) => {
  const copy = Buffer.from(archive);
  copy[at]! ^= mask;
  return copy;
};
/** The end record, before it the locator of zip64, before it the end record of zip64. */
const END = 22;
const LOCATOR = END + 20;
const END_64 = LOCATOR + 56;
const fromEnd = (bytes: number) => archive.length - bytes;

describe('a flipped bit fails the stage with a named error', () => {
  test.each<[string, () => number, RegExp]>([
    [
      'in the signature of the end record',
      () => fromEnd(END),
      /train\.zip\.003 to end the archive, got no end of central/,
    ],
    ['in the length of its comment', () => fromEnd(2), /train\.zip\.003 to end the archive, got no end of central/],
    [
      'in the signature of the locator',
      () => fromEnd(LOCATOR),
      /the zip64 end of the central directory .* train\.zip\.003 is damaged/,
    ],
    [
      'in where the locator points',
      () => fromEnd(LOCATOR) + 9,
      /the zip64 end of the central directory .* train\.zip\.003 is damaged/,
    ],
    [
      'in the signature of the end record of zip64',
      () => fromEnd(END_64),
      /the zip64 end of the central directory .* is damaged/,
    ],
    ['in its number of entries', () => fromEnd(END_64) + 32, /^Expected \d+ entries in .* train\.zip\.003 is damaged/],
    [
      'in its size of the directory',
      () => fromEnd(END_64) + 40,
      /^Expected the central directory to end at byte \d+, got \d+/,
    ],
    [
      'in its offset of the directory',
      () => fromEnd(END_64) + 48,
      /^Expected the central directory to end at byte \d+, got \d+/,
    ],
    [
      'in the signature of a record',
      () => recordOf(archive, FOURTH),
      /central directory .* train\.zip\.003 is damaged/,
    ],
    [
      'in the length of its name',
      () => recordOf(archive, FOURTH) + 28,
      /central directory .* train\.zip\.003 is damaged/,
    ],
    [
      'in the length of its extra field',
      () => recordOf(archive, FOURTH) + 30,
      /central directory .* train\.zip\.003 is damaged/,
    ],
  ])('%s', async (_, at, message) => {
    const outcome = await outcomeOf(flipped(at()));
    expectHonest(outcome);
    expect(outcome.failure).toMatchObject({ type: 'BadArchive', message: expect.stringMatching(message) });
  });
});

describe('a flipped bit costs one picture', () => {
  test.each<[string, () => number, RegExp]>([
    [
      'in the signature of a header',
      () => headerOf(archive, FOURTH),
      /the header of train\/2_right\.jpeg \(train\.zip\.002\), got other bytes$/,
    ],
    [
      'in the name of a header',
      () => headerOf(archive, FOURTH) + 37,
      /the header of train\/2_right\.jpeg .*, got the header of /,
    ],
    ['in the data', () => headerOf(archive, FOURTH) + 900, /train\/2_right\.jpeg \(train\.zip\.002\)/],
    ['in the CRC-32 of a record', () => recordOf(archive, FOURTH) + 16, /to have CRC-32 [0-9a-f]{8}, got [0-9a-f]{8}$/],
    ['in the method of a record', () => recordOf(archive, FOURTH) + 10, /^Expected compression method 0 or 8, got 40$/],
    ['in the name of a record', () => recordOf(archive, FOURTH) + 46, /^Expected a name like /],
  ])('%s', async (_, at, reason) => {
    const outcome = await outcomeOf(flipped(at()));
    expectHonest(outcome);
    expect(outcome.failure).toBeUndefined();
    expect(outcome.quarantined.map(({ reason }) => reason)).toEqual([expect.stringMatching(reason)]);
  });
});

describe('a part that is not what it should be', () => {
  type Parts = OpenArchiveArgs['parts'];
  test.each<[string, (parts: Parts) => Parts, RegExp, object?]>([
    ['the first is missing', ([, b, c]) => [b!, c!], /^Expected /],
    ['the middle one is missing', ([a, , c]) => [a!, c!], /^Expected .*(part before it is missing|out of order)/],
    ['the last is missing', ([a, b]) => [a!, b!], /^Expected train\.zip\.002 to end the archive/],
    ['the first two are swapped', ([a, b, c]) => [b!, a!, c!], /^Expected /],
    ['the last two are swapped', ([a, b, c]) => [a!, c!, b!], /^Expected train\.zip\.002 to end the archive/],
    [
      'one is short',
      ([a, b, c]) => [a!, { ...b!, size: b!.size + 9 }, c!],
      /^Expected train\.zip\.002 to hold \d+ bytes, got \d+: remove/,
      { name: 'CorruptObject' },
    ],
    [
      'one is not in the store',
      ([a, b, c]) => [a!, { ...b!, key: 'archives/gone' }, c!],
      /^Expected train\.zip\.002 at archives\/gone in the store, got nothing/,
      { name: 'CorruptObject', key: 'archives/gone' },
    ],
    ['one comes twice', ([a, b, c]) => [a!, b!, b!, c!], /^Expected /],
  ])('%s', async (_, change, message, failure = { type: 'BadArchive' }) => {
    const outcome = await outcomeOf(archive, change);
    // The worker makes a final failure of a corrupt object, by which the stage that wrote it is made again.
    if (!('name' in failure)) expectHonest(outcome);
    expect(outcome.failure).toMatchObject({ ...failure, message: expect.stringMatching(message) });
  });

  test('another archive of the same length stands in its place', async () => {
    const other = Buffer.from(archive);
    // What lies in the second part is turned round: nothing in it is where the directory says.
    other.subarray(borders[0], borders[1]).reverse();
    const outcome = await outcomeOf(other);
    expectHonest(outcome);
    expect(outcome.failure).toMatchObject({
      type: 'BadArchive',
      message: expect.stringMatching(
        /^Expected train\.zip\.002 to hold the header of .*: parts are damaged or in another order/,
      ),
    });
  });
});

const many = Boolean(process.env.RETINOPATHY_LONG);

describe('any damage', () => {
  test('of one byte', async () => {
    const at = fc.oneof(
      // Most of an archive is data: each of its small regions must get its share.
      fc.nat(archive.length - 1),
      fc.integer({ min: fromEnd(END_64), max: archive.length - 1 }),
      fc.integer({ min: recordOf(archive, 'train/1_left.jpeg'), max: fromEnd(END_64) }),
      fc
        .constantFrom(...names)
        .chain(name => fc.nat(60).map(within => headerOf(archive, `train/${name}.jpeg`) + within)),
    );
    await fc.assert(
      fc.asyncProperty(at, fc.integer({ min: 1, max: 255 }), async (byte, mask) => {
        expectHonest(await outcomeOf(flipped(byte, mask)));
      }),
      { numRuns: many ? 1_500 : 40 },
    );
  }, 600_000);

  test('of a stretch that is zeroed, cut out or doubled', async () => {
    const stretch = fc.record({
      from: fc.nat(archive.length - 1),
      length: fc.integer({ min: 1, max: 3_000 }),
      how: fc.constantFrom('zeroed', 'cut out', 'doubled'),
    });
    await fc.assert(
      fc.asyncProperty(stretch, async ({ from, length, how }) => {
        const [before, piece, after] = [
          archive.subarray(0, from),
          archive.subarray(from, from + length),
          archive.subarray(from + length),
        ];
        const between = { zeroed: [Buffer.alloc(piece.length)], 'cut out': [], doubled: [piece, piece] }[how]!;
        expectHonest(await outcomeOf(Buffer.concat([before, ...between, after])));
      }),
      { numRuns: many ? 500 : 20 },
    );
  }, 600_000);
});
