/**
 * The prepare stage at the competition's full count, with small pictures: does it hold its memory, its history and its pace from the
 * first shard to the last? Runs on a real Temporal server with the workers of `npm start`, once for a tenth of the pictures and once
 * for all.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import sharp from 'sharp';
import type { ArchivePart } from '../../activities/zip/virtual-file.ts';
import { VirtualFile } from '../../activities/zip/virtual-file.ts';
import { readDirectory } from '../../activities/zip/zip-directory.ts';
import { descendants } from '../../cli/chaos/kills.ts';
import { startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { openOutFolder } from '../../cli/local/run-dir.ts';
import { bytes, duration, table, whole } from '../../lib/format.ts';
import { Random } from '../../lib/random.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { UserError } from '../../lib/user-error.ts';
import { getJson } from '../../storage/documents.ts';
import { openStore } from '../../storage/open.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { cutIntoParts, fileSize, partName, readRange, writeArchive } from '../../synthetic/archive.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';
import { memoryOf } from './download/process.ts';
import { count } from './support/numbers.ts';

interface Options {
  labels?: string;
  count: number;
}

interface Label {
  image: string;
  level: number;
}

interface Measured {
  pictures: number;
  seconds: number;
  events: number;
  /** Bytes of the worker's memory at each look. */
  memory: number[];
  directory: { seconds: number; reads: number };
}

const FULL = 35_126;
const PARTS = 5;
/** Different pictures; the others are repeated. */
const DRAWN = 20;
const WIDTH = 128;
const LOOK_MS = 500;
const BARS = { events: 2_500, memory: 700e6, pace: 1.1, directorySeconds: 0.5, directoryReads: 3 };

/** @param args options of `npm run bench full-count` */
export async function bench(args: readonly string[]): Promise<void> {
  const { labels: file, count: most } = new Command('npm run bench full-count --')
    .description('the prepare stage with as many pictures as the competition has')
    .option('--labels <file>', "the competition's trainLabels.csv, for its names and stages (default: made-up ones)")
    .option('--count <n>', 'pictures', count, FULL)
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
  const labels = (file === undefined ? makeLabels(FULL) : await readLabels(resolve(file))).slice(0, most);
  const folder = await mkdtemp(join(tmpdir(), 'bench-full-count-'));
  try {
    const pictures = await drawPictures();
    const measured: Measured[] = [];
    for (const part of [labels.slice(0, Math.ceil(labels.length / 10)), labels]) {
      process.stderr.write(`${whole(part.length)} pictures\n`);
      const run = join(folder, String(part.length));
      await makeSource(join(run, 'source'), part, pictures);
      measured.push(await prepare(run, part.length));
      await rm(run, { recursive: true, force: true });
    }
    print(measured as [Measured, Measured]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function makeLabels(count: number): Label[] {
  const random = new Random(1);
  return Array.from({ length: count }, (_, n) => ({
    image: `${10 + (n >> 1)}_${n % 2 === 0 ? 'left' : 'right'}`,
    level: random.pick([0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 3, 4]),
  }));
}

async function readLabels(file: string): Promise<Label[]> {
  const [header, ...lines] = (await readFile(file, 'utf8')).trim().split(/\r?\n/);
  if (header !== 'image,level') throw new UserError(`Expected ${file} to begin with image,level, got ${header}`);
  return lines.map(line => {
    const [image = '', level] = line.split(',');
    return { image, level: Number(level) };
  });
}

async function drawPictures(): Promise<Buffer[]> {
  const eyes = makePatients(3, DRAWN / 2, 'even').flatMap(patient => patient.eyes.map(eye => ({ patient, eye })));
  return Promise.all(
    eyes.map(async ({ patient, eye }) =>
      sharp(await photographEye(3, patient, eye))
        .resize(WIDTH)
        .jpeg()
        .toBuffer(),
    ),
  );
}

/** A folder as a user would have it: the five parts and the labels. */
async function makeSource(folder: string, labels: readonly Label[], pictures: readonly Buffer[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  const archive = join(folder, 'whole.zip');
  await writeArchive(
    archive,
    'train/',
    (async function* () {
      for (const [n, { image }] of labels.entries()) {
        yield { path: `train/${image}.jpeg`, bytes: pictures[n % pictures.length]! };
      }
    })(),
  );
  for (const [n, range] of cutIntoParts(await fileSize(archive), PARTS).entries()) {
    await writeFile(join(folder, partName('train.zip', n)), readRange(archive, range));
  }
  await rm(archive);
  const rows = labels.map(({ image, level }) => `${image},${level}\n`);
  await writeFile(join(folder, 'trainLabels.csv'), `image,level\n${rows.join('')}`);
}

async function prepare(folder: string, pictures: number): Promise<Measured> {
  const out = await openOutFolder(join(folder, 'out'));
  const { path: temporal } = await findTemporalCli({ report: line => process.stderr.write(`${line}\n`) });
  const embedded = await startEmbedded({
    temporal,
    out,
    port: await choosePort(undefined, 0, '--port'),
    uiPort: await choosePort(undefined, 0, '--ui-port'),
    store: `file:${join(out.path, 'store')}`,
    files: [join(folder, 'source')],
  });
  try {
    await embedded.startWorkers(['workflow', 'cpu']);
    const worker = (await descendants()).find(({ command }) => command.includes('worker\0cpu'));
    if (!worker) throw new Error('Expected a cpu worker to run, got none');
    const memory: number[] = [];
    const looking = setInterval(() => {
      void memoryOf(worker.pid, 'VmRSS').then(now => now !== null && memory.push(now));
    }, LOOK_MS);
    const { client } = embedded;
    try {
      const run = await client.workflow.start('retinopathyPipeline', {
        taskQueue: 'retinopathy',
        workflowId: 'full-count',
        args: [{ source: `file:${join(folder, 'source')}`, until: 'prepare' }],
      });
      await Promise.race([run.result(), embedded.broken]);
    } finally {
      clearInterval(looking);
    }
    const stage = await client.workflow.getHandle('full-count/prepare').describe();
    const seconds = (stage.closeTime!.getTime() - stage.startTime.getTime()) / 1000;
    const directory = await openDirectory(`file:${join(out.path, 'store')}`);
    return { pictures, seconds, events: stage.historyLength, memory, directory };
  } finally {
    await embedded.stop();
    out.release();
  }
}

/** The central directory of the parts in the store, read as the stage's first activity reads it. */
async function openDirectory(url: string): Promise<Measured['directory']> {
  const store = await openStore(url);
  const parts: ArchivePart[] = [];
  for await (const { key } of store.list('archives/')) {
    if (!key.endsWith('/part.json')) continue;
    parts.push((await getJson<{ part: ArchivePart }>(store, key))!.part);
  }
  let reads = 0;
  const counting: ArtifactStore = {
    ...store,
    get(key, range) {
      reads += 1;
      return store.get(key, range);
    },
  };
  const began = performance.now();
  await readDirectory(new VirtualFile(counting, parts));
  return { seconds: (performance.now() - began) / 1000, reads };
}

function print([tenth, all]: [Measured, Measured]): void {
  const pace = (run: Measured) => run.seconds / run.pictures;
  const rows = [tenth, all].map(run => [
    `${whole(run.pictures)} pictures`,
    duration(run.seconds),
    (1000 * pace(run)).toFixed(2),
    whole(run.events),
    bytes(Math.max(...run.memory)),
  ]);
  const most = Math.max(...tenth.memory, ...all.memory);
  const bars = [
    ['events of the stage', `< ${whole(BARS.events)}`, whole(all.events), all.events < BARS.events],
    ['memory of the worker', `≤ ${bytes(BARS.memory)}`, bytes(most), most <= BARS.memory],
    [
      'time a picture, all to a tenth',
      `≤ ${BARS.pace}`,
      (pace(all) / pace(tenth)).toFixed(2),
      pace(all) <= BARS.pace * pace(tenth),
    ],
    [
      'opening the directory',
      `≤ ${BARS.directorySeconds} s`,
      `${all.directory.seconds.toFixed(2)} s`,
      all.directory.seconds <= BARS.directorySeconds,
    ],
    [
      'ranged reads for it',
      `≤ ${BARS.directoryReads}`,
      String(all.directory.reads),
      all.directory.reads <= BARS.directoryReads,
    ],
  ] as const;
  const lines = [
    ...table([['prepare', 'time', 'ms a picture', 'events', 'most memory'], ...rows]),
    '',
    ...table([
      ['bar', 'wanted', 'got', ''],
      ...bars.map(([what, wanted, got, met]) => [what, wanted, got, met ? 'met' : 'missed']),
    ]),
  ];
  process.stdout.write(`\n${lines.join('\n')}\n`);
}
