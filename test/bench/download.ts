/**
 * The download beside what a user would take instead, on loopback: five files at once, as fast as it goes and with each connection
 * held to a rate. What a client has brought is checked before its figures count.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { which } from '../../lib/process/which.ts';
import { MissingToolError } from '../../lib/tools/missing-tool.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { barsOf, type Compared, HELD, heldLimit } from './download/bars.ts';
import { aria2c, aria2cUnfilled, curl, retinopathy } from './download/clients.ts';
import { startServer } from './download/kaggle.ts';
import { type Entry, type Measurement, measureRounds } from './download/measure.ts';
import { folderWithRoom, type Options, readOptions } from './download/options.ts';
import { barTable, freeTable, heldTable } from './download/tables.ts';
import { stoppable } from './support/stoppable.ts';

const FILES = 5;
const MIB = 1 << 20;
/** An object store has the parts, and for a moment the object that is made of them as well. */
const COPIES = 2;

/** An entry of the table. */
interface Row extends Entry {
  /** Whether it is compared with its connections held to a rate, too. */
  held: boolean;
  /** Bytes of memory that it may take; absent for what others wrote. */
  memoryBar?: number;
}

/** @param args options of `npm run bench download` */
export async function bench(args: readonly string[]): Promise<void> {
  const options = readOptions(args);
  await stoppable(signal => run(options, signal));
}

async function run({ gib, rounds, folder, disk }: Options, signal: AbortSignal): Promise<void> {
  const size = Math.ceil((gib * 1024) / FILES) * MIB;
  const parent = folder ?? (await folderWithRoom(COPIES * FILES * size));
  const temporary: string[] = [];
  const folderIn = async (place: string) => {
    const made = await mkdtemp(join(resolve(place), 'bench-download-'));
    temporary.push(made);
    return made;
  };
  const measure = async (bytesPerSecond: number | null, entries: readonly Entry[]) => {
    const server = await startServer({ files: FILES, size, bytesPerSecond }, await folderIn(parent), signal);
    try {
      return await measureRounds({ entries, server, rounds, signal, report });
    } finally {
      await server.close();
    }
  };
  let s3: S3Server | string | undefined;
  try {
    const place = await folderIn(parent);
    s3 = await startStore(place);
    const { rows, missing } = await chooseRows(place, s3, disk && (await folderIn(disk)));
    const free = await measure(null, rows);
    process.stderr.write(`each connection held to ${HELD / 1e6} MB/s:\n`);
    const rowsHeld = rows.filter(row => row.held);
    const held = await measure(HELD, rowsHeld);

    const yardstick = free[rows.findIndex(({ client }) => client === aria2c)];
    const freeOf = rowsHeld.map(row => free[rows.indexOf(row)]!);
    const ours = rowsHeld.flatMap(({ name, memoryBar }, n): Compared[] =>
      memoryBar === undefined ? [] : [{ name, free: freeOf[n]!, held: held[n]!, memory: memoryBar }],
    );
    const lines = [
      ...freeTable(free, yardstick),
      '',
      ...heldTable(HELD, held, freeOf.map(heldLimit)),
      '',
      ...barTable(barsOf(ours, yardstick)),
      '',
      ...missing,
      `${FILES} files of ${size / MIB} MiB from one server, loopback, ${availableParallelism()} cores for server and client together.`,
      `${rounds} rounds: the median, and the most memory and connections of all. CPU is the client's alone.`,
      'Memory of retinopathy is what a transfer adds to an idle worker; of the others it is all of theirs.',
      `Written to ${parent}. retinopathy also syncs what it writes and checks a CRC-32C; the others do neither.`,
    ];
    process.stdout.write(`\n${lines.join('\n')}\n`);
  } finally {
    if (typeof s3 === 'object') await s3.close();
    for (const made of temporary) await rm(made, { recursive: true, force: true });
  }
}

/** An S3 server with what its clients need in the environment; why there is none where it cannot be had. */
async function startStore(folder: string): Promise<S3Server | string> {
  try {
    const s3 = await startS3(folder);
    // Whoever has a profile or a session of AWS's means another server with them.
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, s3.env);
    return s3;
  } catch (error) {
    if (error instanceof MissingToolError) return error.message;
    throw error;
  }
}

/** @returns with a sentence for each program that is not installed */
async function chooseRows(
  folder: string,
  s3: S3Server | string,
  disk: string | undefined,
): Promise<{ rows: Row[]; missing: string[] }> {
  const fileStore = retinopathy(place => `file:${place}`);
  const others = [
    { name: 'aria2c -x16 -s16 -j5', client: aria2c, held: true, program: 'aria2c', install: 'apt-get install aria2' },
    {
      name: 'aria2c --file-allocation=none',
      client: aria2cUnfilled,
      held: false,
      program: 'aria2c',
      install: 'apt-get install aria2',
    },
    { name: 'curl --parallel', client: curl, held: false, program: 'curl', install: 'apt-get install curl' },
  ];
  const rows: Row[] = [{ name: 'retinopathy → file store', client: fileStore, folder, held: true, memoryBar: 120e6 }];
  const missing: string[] = [];
  if (typeof s3 === 'string') missing.push(`No row for an S3 store: ${s3}`);
  else {
    const client = retinopathy(() => `${s3.url}/${randomUUID()}`);
    rows.push({ name: 'retinopathy → S3 store', client, folder, held: true, memoryBar: 300e6 });
  }
  for (const { program, install, ...row } of others) {
    if ((await which(program)) === null) missing.push(`No row for ${program}, which is not there: ${install}`);
    else rows.push({ ...row, folder });
  }
  if (disk !== undefined) {
    const onDisk = rows.filter(({ client }) => client === fileStore || client === aria2c);
    rows.push(...onDisk.map(row => ({ ...row, name: `${row.name}, on disk`, folder: disk, held: false })));
  }
  return { rows, missing: [...new Set(missing)] };
}

function report(round: number, name: string, { bytesPerSecond }: Measurement): void {
  process.stderr.write(`round ${round + 1}: ${name} ${(bytesPerSecond / 1e6).toFixed(0)} MB/s\n`);
}
