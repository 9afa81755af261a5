/** What somebody may type wrong: one clear line, another exit status than 0, no stack trace, nothing left running. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { retinopathy } from '../support/command.ts';

let folder: string;
let taken: Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'wrong-'));
  await writeFile(join(folder, 'broken.json'), '{ "training": ');
  await writeFile(join(folder, 'unknown.json'), '{ "trainig": { "epochs": 3 } }');
  await mkdir(join(folder, 'empty'));
  await mkdir(join(folder, 'four'));
  for (const n of [1, 2, 3, 4]) await writeFile(join(folder, 'four', `train.zip.00${n}`), 'x');
  await writeFile(join(folder, 'four', 'trainLabels.csv'), 'image,level\n1_left,0\n');
  await writeFile(join(folder, 'file'), '');
  taken = createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
});

afterAll(async () => {
  taken.close();
  await rm(folder, { recursive: true, force: true });
});

/** An address where nobody listens, and credentials that nobody gave. */
const NO_S3 = { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' };

/** Runs the command to its end, with an out folder that must not be made for nothing. */
async function wrong(...args: string[]): Promise<{ code: number | null; said: string }> {
  const command = retinopathy(['run', '--out', join(folder, 'out'), ...args], NO_S3);
  const { code } = await command.exited;
  return { code, said: command.output().trim() };
}

describe('one line, and exit status 1 or 2', () => {
  const port = () => String((taken.address() as { port: number }).port);
  const cases: [name: string, args: () => string[], line: RegExp][] = [
    ['an unknown option', () => ['--sauce', 'x'], /unknown option '--sauce'/],
    [
      'kills of a run that stops early',
      () => ['--chaos', '--until', 'train'],
      /^retinopathy: Expected --chaos to run to the end, got until train: leave that out$/,
    ],
    [
      'a field out of range',
      () => ['--set', 'training.epochs=0'],
      /^retinopathy: Expected `training\.epochs` to be an integer from 1, got `0`$/,
    ],
    ['an unknown field', () => ['--input-file', join(folder, 'unknown.json')], /Expected .*trainig.*training/],
    [
      'bad JSON',
      () => ['--input-file', join(folder, 'broken.json')],
      /Expected --input-file .* to be JSON, got other text/,
    ],
    ['no such input file', () => ['--input-file', join(folder, 'nothing.json')], /to be readable, got ENOENT/],
    ['a setting without a value', () => ['--set', 'training'], /Expected --set to be PATH=VALUE/],
    [
      'no such folder',
      () => ['--source', join(folder, 'nowhere')],
      /Expected --source to be .* there is no such folder/,
    ],
    [
      'a folder without parts',
      () => ['--source', join(folder, 'empty')],
      /Expected 5 parts of train\.zip .* got no files/,
    ],
    [
      'four parts of five',
      () => ['--source', join(folder, 'four')],
      /Expected 5 parts of train\.zip in .*, got 4 \(train\.zip\.001 to train\.zip\.004\): .*, or add train\.zip\.005/,
    ],
    ['an unknown stage', () => ['--until', 'lunch'], /Expected --until to be one of download, .* got `lunch`/],
    ['an unknown kind of store', () => ['--store', 'ftp://x'], /Expected --store to be file:DIR or s3:/],
    ['a bucket that cannot be', () => ['--store', 's3://B/x'], /Expected --store to be `s3:\/\/bucket\/prefix`/],
    ...['a..b', '1.2.3.4', 'xn--a', 'abc--x-s3'].map((bucket): [string, () => string[], RegExp] => [
      `a bucket that S3 cannot have: ${bucket}`,
      () => ['--store', `s3://${bucket}/x`],
      new RegExp(`^retinopathy: Expected --store to be in a bucket that S3 can have, got \`${bucket}\`: no IP address`),
    ]),
    [
      'a store that does not answer',
      () => ['--store', 's3://bucket/x'],
      /^retinopathy: Expected http:\/\/127\.0\.0\.1:1 to answer to s3:PutObject, got ECONNREFUSED: check the network/,
    ],
    [
      'an out folder that is a file',
      () => ['--out', join(folder, 'file')],
      /Expected --out .* to be a folder that can be written/,
    ],
    ['a port in use', () => ['--port', port()], /Expected port \d+ \(--port\) to be free, got EADDRINUSE/],
    ['a port that is none', () => ['--port', '70000'], /Expected a port from 1 to 65535/],
  ];

  test.each(cases)('%s', async (_name, args, line) => {
    const { code, said } = await wrong(...args());
    expect(code).toBeGreaterThan(0);
    expect(
      said.split('\n').some(each => line.test(each)),
      said,
    ).toBe(true);
    expect(said).not.toMatch(/^\s+at .*:\d+:\d+/m);
    // The line; for an option also a likely name, and where help is to be had.
    expect(said.split('\n').length).toBeLessThanOrEqual(3);
  });

  test('a source that refuses every connection, after a minute', async () => {
    const closed = createServer();
    await new Promise<void>(resolve => closed.listen(0, '127.0.0.1', resolve));
    const source = `http://127.0.0.1:${(closed.address() as { port: number }).port}`;
    await new Promise(resolve => closed.close(resolve));
    const { code, said } = await wrong('--out', join(folder, 'refused'), '--source', source, '--until', 'download');
    expect(code).toBe(1);
    const line = `retinopathy: Expected the source ${source} to answer, got ECONNREFUSED for a minute: `;
    expect(said.split('\n').filter(each => each.startsWith(line))).toHaveLength(1);
    expect(said).toMatch(/retrying listFiles, try \d/);
  }, 240_000);

  test('a wrong input leaves no lock and no process file behind', async () => {
    await wrong('--port', port());
    const left = await readdir(join(folder, 'out'));
    expect(left.filter(name => name.startsWith('lock'))).toEqual([]);
  });
});

describe('settings of the environment', () => {
  test.each([
    [{ AWS_ENDPOINT_URL_S3: '127.0.0.1:9000' }, /AWS_ENDPOINT_URL_S3 to be http:.*, got one without http:/],
    [{ AWS_ENDPOINT_URL_S3: 'localhost:9000' }, /AWS_ENDPOINT_URL_S3 to be http:.*, got one without http:/],
    [
      { AWS_ENDPOINT_URL_S3: '', AWS_ENDPOINT_URL: 'me:s3cret@s3.example' },
      /AWS_ENDPOINT_URL to be http:.*, got one without/,
    ],
    [{ AWS_ENDPOINT_URL_S3: 'ftp://s3.example' }, /AWS_ENDPOINT_URL_S3 to be http:.*, got another address: correct it/],
    [{ AWS_REGION: 'eu west' }, /Expected AWS_REGION, .* to be one such as eu-west-1, got `eu west`/],
  ])('%j', async (env, line) => {
    const args = ['run', '--out', join(folder, 'out'), '--store', 's3://bucket/x'];
    const command = retinopathy(args, { ...NO_S3, ...env });
    expect((await command.exited).code).toBe(1);
    const said = command.output().trim();
    expect(said).toMatch(/^retinopathy: Expected /);
    expect(said).toMatch(line);
    expect(said).not.toMatch(/\n|s3cret/);
  });
});

describe('a temporal.db', () => {
  const start = async (name: string) => {
    const out = join(folder, name);
    const command = retinopathy(['run', '--no-keep', '--out', out, '--set', 'synthetic.patients=40']);
    const { code } = await command.exited;
    expect(code).toBe(1);
    const ends = (await readFile(join(out, 'logs', 'server.log'), 'utf8')).match(/failed starting server/g);
    // It was started once.
    expect(ends).toHaveLength(1);
    return command.output().trim();
  };

  test('that is none', async () => {
    await mkdir(join(folder, 'garbage'));
    await writeFile(join(folder, 'garbage', 'temporal.db'), 'x'.repeat(20_000));
    const database = join(folder, 'garbage', 'temporal.db');
    expect(await start('garbage')).toBe(
      `retinopathy: Expected ${database} to be a database of Temporal's, got file is not a database: move ${database}* aside and start again, the store keeps finished work`,
    );
  });

  test('that is a folder', async () => {
    await mkdir(join(folder, 'folder', 'temporal.db'), { recursive: true });
    expect(await start('folder')).toMatch(
      /^retinopathy: Expected .*\/temporal\.db to be a file that this user can write, got unable to open database file: /,
    );
  });
});

describe('other commands', () => {
  test.each([
    [['worker', 'tpu'], /Expected a worker's role to be workflow, cpu, gpu, got `tpu`/],
    [['worker', 'cpu'], /Expected RETINOPATHY_STORE to name the store|Expected a Temporal service/],
    [['report', 'r', '--to', 'x'], /Expected --store or RETINOPATHY_STORE/],
    [['ui', '--out', '/nonexistent-folder'], /Expected --out to be the folder of a run/],
    [['frobnicate'], /too many arguments|unknown command/],
  ])('%j', async (args, line) => {
    const command = retinopathy(args, { RETINOPATHY_STORE: '', TEMPORAL_ADDRESS: '127.0.0.1:1' });
    const { code } = await command.exited;
    expect(code).toBeGreaterThan(0);
    expect(command.output()).toMatch(line);
    expect(command.output()).not.toMatch(/^\s+at .*:\d+:\d+/m);
  });
});
