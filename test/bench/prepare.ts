/**
 * Preparing beside the line of 2015 and beside OpenCV, and unzipping beside 7-Zip: in one run, in turn. With `--likeness` the
 * pictures are compared with ImageMagick's instead.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { bytes, table } from '../../lib/format.ts';
import { which } from '../../lib/process/which.ts';
import { UserError } from '../../lib/user-error.ts';
import { openStore } from '../../storage/open.ts';
import { median } from './download/tables.ts';
import { storeArchive } from './prepare/archive.ts';
import { convert2015, opencv, prepareHere, sevenZip, type Taken, unzipHere, type World } from './prepare/clients.ts';
import { compareWithConvert } from './prepare/likeness.ts';
import { gatherPictures } from './prepare/pictures.ts';
import { profile } from './prepare/profile.ts';
import { count } from './support/numbers.ts';
import { stoppable } from './support/stoppable.ts';

interface Options {
  images?: string;
  rounds: number;
  pictures: number;
  likeness?: boolean;
}

interface Row {
  name: string;
  client: (world: World) => Promise<Taken>;
}

/** The line of 2015 takes nearly a second a picture: so many tell enough. */
const CONVERTED = 10;

/** @param args options of `npm run bench prepare` */
export async function bench(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  await stoppable(signal => run(options, signal));
}

function readOptions(args: readonly string[]): Options {
  return new Command('npm run bench prepare --')
    .description('preparing pictures beside ImageMagick and OpenCV, unzipping beside 7-Zip')
    .option('--images <dir>', 'a folder of JPEGs (default: ten made ones of 3888×2592)')
    .option('--pictures <n>', 'at least so many; few are repeated', count, 120)
    .option('--rounds <n>', 'measurements of each', count, 3)
    .option('--likeness', 'compare the pictures with those of ImageMagick instead')
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
}

async function run({ images, rounds, pictures, likeness }: Options, signal: AbortSignal): Promise<void> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const folder = await mkdtemp(join(tmpdir(), 'bench-prepare-'));
  try {
    const from = images === undefined ? undefined : resolve(images);
    const gathered = await gatherPictures(join(folder, 'pictures'), from, likeness ? 1 : pictures, report);
    const { names } = gathered;
    const url = `file:${join(folder, 'store')}`;
    const parts = await storeArchive(await openStore(url), folder, join(folder, 'pictures'), names);
    const world: World = { folder, names, store: url, parts, signal, report };
    if (likeness) await printLikeness(world);
    else await printTables(world, rounds);
    report(
      `${names.length} pictures (${gathered.different} different), ${bytes(gathered.bytes)}, ${availableParallelism()} cores, ${rounds} rounds: the median`,
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function printTables(world: World, rounds: number): Promise<void> {
  const rows: Row[] = [{ name: 'retinopathy: unzip, CRC, four versions, tar', client: prepareHere }];
  const missing: string[] = [];
  const convert = await findConvert();
  if (convert) rows.push({ name: 'the line of 2015: convert, four times', client: convert2015(convert, CONVERTED) });
  else missing.push('No row for ImageMagick, which is not there: apt-get install imagemagick');
  rows.push({ name: 'OpenCV, a process for each core', client: await opencv(world) });
  const unzippers: Row[] = [{ name: 'retinopathy: unzip, CRC', client: unzipHere }];
  if (await which('7z')) unzippers.push({ name: '7z x', client: sevenZip });
  else missing.push('No row for 7-Zip, which is not there: apt-get install p7zip-full');

  const prepared = await measure(world, rows, rounds);
  const unzipped = await measure(world, unzippers, rounds);
  const profiled = await profileTable(world, prepared[0]!);
  const opening = median(prepared[0]!.map(({ opening }) => opening ?? 0));
  process.stdout.write(
    `\n${[...tableOf('preparing', rows, prepared), '', ...tableOf('unzipping', unzippers, unzipped), '', ...profiled].join('\n')}\n\n`,
  );
  process.stdout.write(
    `${[...missing, `Opening the archive: ${(1000 * opening).toFixed(0)} ms of each of ours.`].join('\n')}\n`,
  );
}

async function measure(world: World, rows: readonly Row[], rounds: number): Promise<Taken[][]> {
  const taken: Taken[][] = rows.map(() => []);
  for (let round = 1; round <= rounds; round++) {
    for (const [n, { name, client }] of rows.entries()) {
      const one = await client(world);
      taken[n]!.push(one);
      world.report(`round ${round}: ${name} ${milliseconds(one).toFixed(1)} ms a picture`);
    }
  }
  return taken;
}

const milliseconds = ({ seconds, pictures }: Taken) => (1000 * seconds) / pictures;

const cpuOf = (taken: readonly Taken[]) =>
  median(taken.map(({ cpuSeconds, pictures }) => (1000 * cpuSeconds) / pictures));

/** CPU time of each step by itself, and what the run takes beyond them. */
async function profileTable(world: World, prepared: readonly Taken[]): Promise<string[]> {
  const steps = await profile(world);
  const all = cpuOf(prepared);
  const rest = all - steps.reduce((sum, [, milliseconds]) => sum + milliseconds, 0);
  const rows: [string, number][] = [...steps, ['tar, store, opening, collector, two at once', rest], ['together', all]];
  return table([['where ours goes', 'CPU ms a picture'], ...rows.map(([name, each]) => [name, each.toFixed(1)])]);
}

/** Ours first, and how many times as long the others take. */
function tableOf(what: string, rows: readonly Row[], taken: readonly Taken[][]): string[] {
  const [ours] = taken.map(each => median(each.map(milliseconds)));
  return table([
    [what, 'ms a picture', 'from – to', 'CPU ms', 'pictures/s', 'retinopathy is faster by'],
    ...rows.map(({ name }, n) => {
      const times = taken[n]!.map(milliseconds);
      return [
        name,
        median(times).toFixed(1),
        `${Math.min(...times).toFixed(1)} – ${Math.max(...times).toFixed(1)}`,
        cpuOf(taken[n]!).toFixed(1),
        (1000 / median(times)).toFixed(1),
        n === 0 ? '' : `${(median(times) / ours!).toFixed(2)} ×`,
      ];
    }),
  ]);
}

async function printLikeness(world: World): Promise<void> {
  const convert = await findConvert();
  if (!convert) throw new UserError('Expected ImageMagick to compare with, got none: apt-get install imagemagick');
  const found = await compareWithConvert(world, convert, world.names);
  const group = (name: string, whole: boolean, wanted: number) => {
    const psnrs = found.filter(each => each.whole === whole).map(({ psnr }) => psnr);
    if (psnrs.length === 0) return [name, '0', '', '', ''];
    const share = psnrs.filter(psnr => psnr >= wanted).length / psnrs.length;
    return [
      name,
      String(psnrs.length),
      Math.min(...psnrs).toFixed(1),
      median(psnrs).toFixed(1),
      `${(100 * share).toFixed(1)} % ≥ ${wanted}`,
    ];
  };
  const rows = [
    ['PSNR to ImageMagick, dB', 'pictures', 'least', 'median', 'share'],
    group('decoded whole', true, 45),
    group('decoded smaller', false, 34),
  ];
  const turned = found.filter(each => each.turned).length;
  process.stdout.write(
    `\n${table(rows).join('\n')}\nThe other three versions are exact turns of the first: ${turned} of ${found.length}\n\n`,
  );
}

/** ImageMagick 6's own name first: `convert` may be anything. */
async function findConvert(): Promise<string | null> {
  return (await which('convert-im6')) ?? (await which('convert'));
}
