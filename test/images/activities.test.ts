import { readdir } from 'node:fs/promises';
import { ApplicationFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import sharp from 'sharp';
import tar from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createImageActivities } from '../../activities/images/index.ts';
import type {
  ClosedShards,
  ImageActivities,
  OpenArchiveArgs,
  OpenedArchive,
  PreparedShard,
  QuarantinedEntry,
  ShardIndex,
  ShardProgress,
} from '../../activities/images/types.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { putBytes } from '../../storage/artifacts.ts';
import { sha256 } from '../../storage/checksum.ts';
import type { ByteRange } from '../../storage/store.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { eyeJpeg, headerOf, renamed, storeParts, zipOf } from './support.ts';

const PREFIX = 'stages/prepare/0123456789abcdef';
const defaults = pipelineInputSchema.parse({});
const eyes: [string, Buffer][] = await Promise.all(
  Array.from({ length: 10 }, async (_, n) => {
    const name = `train/${10 + (n >> 1)}_${n % 2 ? 'right' : 'left'}.jpeg`;
    return [name, await eyeJpeg(n)] as [string, Buffer];
  }),
);
const names = eyes.map(([name]) => name.slice('train/'.length, -'.jpeg'.length));
const allLabels = names.map((name, n) => `${name},${n % 5}`);

let services: TestServices;
let activities: ImageActivities;
let args: OpenArchiveArgs;
beforeEach(async () => {
  services = await testServices();
  activities = createImageActivities(services);
});
afterEach(() => services.close());

interface Given {
  archive?: Buffer;
  borders?: number[];
  labels?: string[] | null;
  images?: Partial<OpenArchiveArgs['images']>;
}

async function given({ archive, borders = [5_000, 12_000], labels = allLabels, images = {} }: Given = {}) {
  args = {
    prefix: PREFIX,
    parts: await storeParts(services.store, archive ?? (await zipOf(eyes)), borders),
    labels:
      labels && (await putBytes(services.store, 'archives/test/labels.csv', `image,level\n${labels.join('\n')}\n`)),
    archive: defaults.archive,
    images: { ...defaults.images, size: 64, shardSize: 4, maxQuarantined: 0.5, ...images },
  };
  return args;
}
/** Failures are what some of these tests are about: the SDK need not report them. */
const environment = () => new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
const open = () => environment().run(activities.openArchive, args) as Promise<OpenedArchive>;
const prepare = (opened: OpenedArchive, shard: number, env = environment()) => {
  const { prefix, parts, images } = args;
  return env.run(activities.unzipAndAugment, {
    prefix,
    parts,
    images,
    directory: opened.directory,
    shard,
  }) as Promise<PreparedShard>;
};
const close = (archive: OpenedArchive, shards: PreparedShard[]) =>
  environment().run(activities.closeShards, {
    prefix: PREFIX,
    parts: args.parts,
    images: args.images,
    archive,
    shards,
  }) as Promise<ClosedShards>;
const read = async (key: string, range?: ByteRange) => services.store.get(key, range);
const indexOf = async (shard: PreparedShard) => JSON.parse((await read(shard.index.key)).toString()) as ShardIndex;

/** The files of a tar; each must bear the one time that all shards bear. */
async function untar(bytes: Buffer): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const extract = tar.extract();
  extract.end(bytes);
  for await (const entry of extract) {
    expect(entry.header.mtime).toEqual(new Date(0));
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(entry.header.name, Buffer.concat(chunks));
  }
  return files;
}

describe('the way of the pictures', () => {
  test('from the parts to shards whose index gives every PNG by one range', async () => {
    await given();
    const opened = await open();
    expect(opened).toMatchObject({ pictures: 10, shards: 3, quarantined: 0, labelsWithoutPicture: 0 });
    expect(opened.bytes).toBe(eyes.reduce((sum, [, bytes]) => sum + bytes.length, 0));
    const shards = [];
    for (let n = 0; n < opened.shards; n++) shards.push(await prepare(opened, n));
    expect(shards.map(({ entries, pictures, reused }) => [entries, pictures, reused])).toEqual([
      [4, 4, false],
      [4, 4, false],
      [2, 2, false],
    ]);
    expect(
      shards.map(({ tar: { key }, index, originals, quarantine }) => [key, index.key, originals, quarantine]),
    ).toEqual([0, 1, 2].map(n => [`${PREFIX}/shard-00${n}.tar`, `${PREFIX}/shard-00${n}.index.json`, null, null]));

    const images = [];
    for (const shard of shards) {
      const index = await indexOf(shard);
      const files = await untar(await read(index.tar));
      expect([...files.keys()]).toEqual(
        index.pictures.flatMap(({ image }) => ['a', 'r', 'fa', 'fr'].map(version => `${image}.${version}.png`)),
      );
      for (const picture of index.pictures) {
        images.push([picture.image, picture.stage]);
        expect([picture.width, picture.height]).toEqual([240, 160]);
        for (const [version, { offset, size }] of Object.entries(picture.versions)) {
          const png = await read(index.tar, { offset, length: size });
          expect(png.equals(files.get(`${picture.image}.${version}.png`)!)).toBe(true);
          expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width: 64, height: 64, channels: 3 });
        }
      }
    }
    expect(images).toEqual(names.map((name, n) => [name, n % 5]));

    expect(await close(opened, shards)).toMatchObject({ quarantined: 0, quarantine: { size: 0 } });
    expect(await readdir(services.scratch)).toEqual([]);
  });

  test('gives the same bytes each time, and finds finished shards with the same figures', async () => {
    await given({ images: { keepOriginals: true } });
    const opened = await open();
    const made = await prepare(opened, 1);
    expect(await prepare(opened, 1)).toEqual({ ...made, reused: true });

    for (const key of [made.tar.key, made.originals!.key, made.index.key]) await services.store.remove(key);
    const again = await prepare(opened, 1);
    expect(again).toEqual(made);
    // A tar that is gone is made again, whatever the index says.
    await services.store.remove(made.tar.key);
    expect(await prepare(opened, 1)).toEqual(made);
  });

  test('lets two attempts at one shard end with one result', async () => {
    await given();
    const opened = await open();
    const [one, other] = await Promise.all([prepare(opened, 0), prepare(opened, 0)]);
    expect(other).toEqual(one);
    expect(await prepare(opened, 0)).toEqual({ ...one, reused: true });
  });

  test('keeps the JPEGs as they were', async () => {
    await given({ images: { keepOriginals: true, shardSize: 16 } });
    const { originals } = await prepare(await open(), 0);
    const files = await untar(await read(originals!.key));
    expect([...files].map(([name, bytes]) => [name, sha256(bytes)])).toEqual(
      eyes.map(([name, bytes]) => [name.slice('train/'.length), sha256(bytes)]),
    );
  });

  test('goes without labels, and then without stages', async () => {
    await given({ labels: null, images: { shardSize: 16 } });
    const opened = await open();
    expect((await indexOf(await prepare(opened, 0))).pictures.map(({ stage }) => stage)).toEqual(
      new Array(10).fill(null),
    );
  });

  test('tells how far it is in its heartbeats', async () => {
    await given({ images: { shardSize: 16 } });
    const beats: ShardProgress[] = [];
    const env = environment();
    env.on('heartbeat', (details: ShardProgress | undefined) => details && beats.push(details));
    let gets = 0;
    const get = services.store.get.bind(services.store);
    // The window's read waits until a heartbeat has come: the timer's, not luck's.
    services.store.get = async (...of) => {
      if (of[0].endsWith('.001') && gets++ === 0) await new Promise(resolve => env.once('heartbeat', resolve));
      return get(...of);
    };
    await prepare(await openBefore(get), 0, env);
    expect(beats[0]).toEqual({ shard: 0, next: 0, of: 10 });
  });

  test('stops between pictures when it is cancelled, and leaves nothing behind', async () => {
    await given();
    const opened = await open();
    const env = environment();
    const get = services.store.get.bind(services.store);
    services.store.get = async (...of) => {
      if (of[0].endsWith('.001')) env.cancel('CANCELLED');
      return get(...of);
    };
    await expect(prepare(opened, 0, env)).rejects.toMatchObject({ name: 'CancelledFailure' });
    expect(await readdir(services.scratch)).toEqual([]);
    expect(await services.store.head(`${PREFIX}/shard-000.tar`)).toBeUndefined();
  });
});

/** Opens the archive through the store as it was before a test changed it. */
async function openBefore(get: TestServices['store']['get']): Promise<OpenedArchive> {
  const changed = services.store.get;
  services.store.get = get;
  const opened = await open();
  services.store.get = changed;
  return opened;
}

describe('what is set aside', () => {
  test('is listed with its reason: bad names, twins, pictures without label, black ones, cut ones, damaged ones', async () => {
    const black = await sharp({ create: { width: 240, height: 160, channels: 3, background: '#000' } })
      .jpeg()
      .toBuffer();
    const zip = renamed(
      await zipOf([
        ...eyes,
        ['train/20_left.jpeg', black],
        ['train/21_left.jpeg', eyes[0]![1].subarray(0, 3_000)],
        ['train/10_left.jpeg', eyes[1]![1]],
        ['train/30_left.jpeg', eyes[2]![1]],
        ['aaaaaaaaaa/_left.jpeg', eyes[2]![1]],
      ]),
      'aaaaaaaaaa/',
      '../../../x/',
    );
    zip[headerOf(zip, 'train/12_left.jpeg') + 1_200]! ^= 0x20;
    await given({
      archive: zip,
      labels: [...allLabels, '20_left,1', '21_left,2', '99_left,0'],
      images: { shardSize: 6 },
    });
    const opened = await open();
    expect(opened).toMatchObject({ pictures: 12, shards: 2, quarantined: 3, labelsWithoutPicture: 1 });
    const shards = [await prepare(opened, 0), await prepare(opened, 1)];
    expect(shards).toMatchObject([
      { entries: 6, pictures: 5, quarantined: 1, crcErrors: 1 },
      { entries: 6, pictures: 4, quarantined: 2, crcErrors: 0 },
    ]);
    const { quarantine, quarantined } = await close(opened, shards);
    expect(quarantined).toBe(6);
    const lines = (await read(quarantine.key)).toString().trimEnd().split('\n');
    const reasons = lines.map(line => JSON.parse(line) as QuarantinedEntry).map(({ entry, reason }) => [entry, reason]);
    expect(reasons).toEqual([
      ['train/10_left.jpeg', expect.stringContaining('once in the archive')],
      ['train/30_left.jpeg', 'Expected a label for 30_left, got none'],
      ['../../../x/_left.jpeg', expect.stringContaining('leads out of it')],
      ['train/12_left.jpeg', expect.stringMatching(/^Expected .*train\/12_left\.jpeg \(train\.zip\.00\d.*\)/)],
      ['train/20_left.jpeg', 'Expected an eye on a dark ground, got a picture of one colour'],
      ['train/21_left.jpeg', 'Expected a JPEG that can be decoded, got one that is cut short'],
    ]);
  });

  test('fails the stage for good when it is too much, and shows the first of it', async () => {
    const eyesCut = eyes.map(([name, bytes], n) => [name, n < 7 ? bytes.subarray(0, 2_000) : bytes] as const);
    await given({ archive: await zipOf(eyesCut), images: { maxQuarantined: 0.6, shardSize: 16 } });
    const opened = await open();
    const failure = await close(opened, [await prepare(opened, 0)]).then(
      () => expect.fail('Expected the stage to fail'),
      (error: ApplicationFailure) => error,
    );
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(failure).toMatchObject({ nonRetryable: true, type: 'BadArchive' });
    expect(failure.message.split('\n')).toEqual([
      `Expected at most 60 % of 10 pictures to be set aside, got 7 (70 %): look at ${PREFIX}/quarantine.jsonl, or raise images.maxQuarantined`,
      ...eyesCut
        .slice(0, 5)
        .map(([name]) => `  "${name}": Expected a JPEG that can be decoded, got one that is cut short`),
      '  … and 2 more',
    ]);
    expect(await services.store.head(`${PREFIX}/quarantine.jsonl`)).toBeDefined();
    args.images = { ...args.images, maxQuarantined: 0.7 };
    expect(await close(opened, [await prepare(opened, 0)])).toMatchObject({ quarantined: 7 });
  });
});

describe('what cannot be cured by trying again', () => {
  const final = (type: string, message: RegExp | string) =>
    expect.objectContaining({
      name: 'ApplicationFailure',
      nonRetryable: true,
      type,
      message: message instanceof RegExp ? expect.stringMatching(message) : message,
    });

  const corrupt = (key: string, message: RegExp) =>
    expect.objectContaining({ name: 'CorruptObject', key, message: expect.stringMatching(message) });

  test.each<[string, Given & { change?: () => void }, string, RegExp]>([
    [
      'labels of other pictures',
      { labels: ['1_left,0', '2_left,1'] },
      'BadLabels',
      /^Expected labels for the pictures of train\.zip, got none for 10 of 10: labels that don't match/,
    ],
    [
      'more pictures without label than may be set aside',
      { labels: allLabels.slice(2), images: { maxQuarantined: 0.1 } },
      'BadArchive',
      /^Expected at most 10 % of 10 pictures to be set aside, got 2 \(20 %\)/,
    ],
    [
      'a pattern that no name fits',
      { change: () => (args.archive = { ...args.archive, entries: '^test/' }) },
      'BadArchive',
      /^Expected pictures named like \^test\/ in train\.zip, got none among 10 entries: is archive\.entries right\?/,
    ],
    [
      'a pattern that is none',
      { change: () => (args.archive = { ...args.archive, entries: '(' }) },
      'BadInput',
      /^Expected `archive\.entries` to be a regular expression, got `\(`/,
    ],
    [
      'a missing last part',
      { change: () => args.parts.pop() },
      'BadArchive',
      /^Expected train\.zip\.002 to end the archive, got no end of central directory: is a part missing or damaged\?$/,
    ],
    [
      'parts in another order',
      { borders: [7_000, 14_000], change: () => args.parts.splice(0, 2, args.parts[1]!, args.parts[0]!) },
      'BadArchive',
      /^Expected train\.zip\.00[12] to hold the header of train\/\d+_(left|right)\.jpeg at byte \d+ of the archive, got /,
    ],
  ])('%s', async (_, { change, ...files }, type, message) => {
    await given(files);
    change?.();
    await expect(open()).rejects.toEqual(final(type, message));
  });

  test('a part that is gone', async () => {
    await given();
    args.parts[1] = { ...args.parts[1]!, key: 'archives/test/gone' };
    await expect(open()).rejects.toEqual(
      corrupt(
        'archives/test/gone',
        /^Expected train\.zip\.002 at archives\/test\/gone in the store, got nothing: download it again$/,
      ),
    );
  });

  test('a part that went while the shards are made', async () => {
    await given();
    const opened = await open();
    await services.store.remove(args.parts[0]!.key);
    await expect(prepare(opened, 0)).rejects.toEqual(
      corrupt(args.parts[0]!.key, /^Expected train\.zip\.001 at .* got nothing/),
    );
    expect(await readdir(services.scratch)).toEqual([]);
  });

  const flip = async (key: string, at: number) => {
    const bytes = await read(key);
    bytes[at]! ^= 1;
    await services.store.put(key, bytes, { overwrite: true });
  };

  test('entries that the store has damaged are not set aside: the part is named, and their shards are made again', async () => {
    const archive = await zipOf(eyes);
    await given({ archive, borders: [5_000, 12_000] });
    const calm = await open();
    const whole = await Promise.all([0, 1, 2].map(shard => prepare(calm, shard)));
    for (const { tar, index } of whole) for (const { key } of [tar, index]) await services.store.remove(key);
    const part = args.parts[1]!.key;
    const at = headerOf(archive, eyes.find(([name]) => headerOf(archive, name) > 5_000)![0]) + 400 - 5_000;
    await flip(part, at);
    const opened = await open();
    const hurt = await Promise.all([0, 1, 2].map(shard => prepare(opened, shard)));
    const errors = hurt.map(({ crcErrors }) => crcErrors);
    expect(errors.toSorted()).toEqual([0, 0, 1]);
    await expect(close(opened, hurt)).rejects.toEqual(
      corrupt(part, /^Expected archives\/test\/train\.zip\.002 in file:\S+ to have \d+ bytes of CRC-32C \w+, got \d+/),
    );
    await flip(part, at);
    const again = await Promise.all([0, 1, 2].map(shard => prepare(opened, shard)));
    expect(again.map(({ reused }) => reused)).toEqual(errors.map(n => n === 0));
    expect(again.map(({ tar, index }) => [tar, index])).toEqual(whole.map(({ tar, index }) => [tar, index]));
    expect(await close(opened, again)).toMatchObject({ quarantined: 0 });
  });

  test('names that the store has damaged in the directory are not set aside', async () => {
    await given();
    const { key } = args.parts.at(-1)!;
    const directory = (await read(key)).lastIndexOf('train/10_left.jpeg');
    await flip(key, directory + 'train/1'.length);
    await expect(open()).rejects.toEqual(corrupt(key, /^Expected archives\/test\/train\.zip\.003 in file:/));
  });

  test('but a store that does not answer is tried again', async () => {
    await given();
    const opened = await open();
    services.store.get = () => Promise.reject(new Error('connection reset'));
    await expect(open()).rejects.not.toMatchObject({ nonRetryable: true });
    await expect(prepare(opened, 0)).rejects.toThrow('connection reset');
  });
});
