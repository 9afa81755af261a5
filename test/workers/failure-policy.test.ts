/** What no retry cures fails once, in one line that says what to do; what passes by itself is tried again. */
import { chmod, mkdir, open, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { inWorkspace } from '../../activities/dependencies.ts';
import { createDownloadActivities } from '../../activities/download/index.ts';
import { withHeartbeat } from '../../activities/heartbeat.ts';
import { readNetwork } from '../../activities/training/inputs.ts';
import { runChild } from '../../lib/process/child-process.ts';
import { createFileStore } from '../../storage/file.ts';
import { syncFolder } from '../../storage/fsync.ts';
import { createS3Store } from '../../storage/s3.ts';
import { failurePolicy } from '../../workers/retry-limit-interceptor.ts';
import { argsFor, LABELS, noise, quietEnvironment, SMALL } from '../download/world.ts';
import { asOtherUser } from '../support/other-user.ts';
import { type TestServices, testServices } from '../support/services.ts';

let services: TestServices;
let folder: string;
beforeEach(async () => {
  services = await testServices();
  folder = join(services.folder, 'files');
  // All that a test does not take away is there for everybody.
  await Promise.all([mkdir(folder), chmod(services.folder, 0o755), chmod(services.scratch, 0o777)]);
  await Promise.all([mkdir(join(services.folder, 'store')), chmod(services.cache, 0o777)]);
  await chmod(join(services.folder, 'store'), 0o777);
});
afterEach(() => services.close());

/** What the server hears of an attempt whose activity does `work`. */
async function attempt(work: () => Promise<unknown>, environment: MockActivityEnvironment = quietEnvironment()) {
  const tried = environment.run(() =>
    failurePolicy(Context.current()).execute!({ args: [], headers: {} }, () => work()),
  );
  const failure = await tried.catch(error => error);
  expect(failure).toBeInstanceOf(Error);
  const { nonRetryable = false, type, message } = failure as ApplicationFailure;
  return { once: failure instanceof ApplicationFailure && nonRetryable, type, message };
}

const RIGHTS = 'EACCES: give the user of this process the right to it, or name another place';

describe('without the right to it', () => {
  const download = () => createDownloadActivities(services, SMALL);
  const secret = async (name: string, text: string | Buffer) => {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0);
  };
  const cases: [what: string, work: () => Promise<() => Promise<unknown>>, line: () => string][] = [
    [
      'a part of the archive',
      async () => {
        await secret('train.zip.001', noise(1000));
        const file = { name: 'train.zip.001', size: 0 };
        return () => download().downloadPart({ ...argsFor(`file:${folder}`), folder: 'here', file });
      },
      () => `Expected to read ${folder}/train.zip.001, got ${RIGHTS}`,
    ],
    [
      'the labels',
      async () => {
        await secret('trainLabels.csv', LABELS);
        const file = { name: 'trainLabels.csv', size: 0 };
        return () => download().downloadLabels({ ...argsFor(`file:${folder}`), folder: 'here', file });
      },
      () => `Expected to read ${folder}/trainLabels.csv, got ${RIGHTS}`,
    ],
    [
      'the folder of the archive',
      async () => {
        await chmod(folder, 0);
        return () => download().listFiles(argsFor(`file:${folder}`));
      },
      () => `Expected ${folder} to be a folder that this machine can read, got ${RIGHTS}`,
    ],
    [
      'the store',
      async () => {
        await services.store.put('a', noise(10));
        for (const path of ['store', 'store/.tmp']) await chmod(join(services.folder, path), 0o555);
        return () => createFileStore(join(services.folder, 'store')).put('b/c', noise(10));
      },
      () => expect.stringMatching(/^Expected to open .*\/store\/\.tmp\/[^ ]+, got EACCES: give the user/),
    ],
    [
      'the scratch folder',
      async () => {
        await chmod(services.scratch, 0o555);
        return () => inWorkspace(services, 'segment', async () => {});
      },
      () => expect.stringMatching(/^Expected to make the folder .*\/scratch\/segment-[^ ]+, got EACCES: give the user/),
    ],
    [
      'the network',
      async () => {
        await secret('net.prototxt', '');
        return () => readNetwork(`file:${folder}/net.prototxt`, { RETINOPATHY_FILES: folder });
      },
      () =>
        `Expected a network in ${folder}/net.prototxt, got EACCES: set \`training.network\` to a file that every GPU worker has`,
    ],
    [
      'the Kaggle credentials',
      async () => {
        await secret('kaggle.json', '{}');
        services.env = { KAGGLE_CONFIG_DIR: folder, HOME: folder };
        return () => download().listFiles(argsFor('kaggle'));
      },
      () => expect.stringMatching(/^Expected to read .*kaggle\.json, got EACCES: give the user/),
    ],
    [
      'a program',
      async () => {
        await writeFile(join(folder, 'caffe'), '#!/bin/sh\n');
        return () => runChild([join(folder, 'caffe')]);
      },
      () => `Expected ${folder}/caffe to start, got EACCES`,
    ],
  ];
  test.each(cases)('%s', async (_what, prepare, line) => {
    const work = await prepare();
    // Programs of this process's guardian would belong to another user.
    const failure = await (_what === 'a program' ? attempt(work) : asOtherUser(() => attempt(work)));
    expect(failure).toMatchObject({ once: true, message: line() });
    await chmod(folder, 0o755);
  });
});

describe('what the system cannot do', () => {
  test('a path that cannot be', async () => {
    await symlink('loop', join(folder, 'loop'));
    await writeFile(join(folder, 'file'), '');
    expect(await attempt(() => readFile(folder))).toMatchObject({ once: true, type: 'SystemError' });
    for (const [name, code] of [
      ['loop', 'ELOOP'],
      ['file/below', 'ENOTDIR'],
      ['x'.repeat(300), 'ENAMETOOLONG'],
    ] as const) {
      const { once, message } = await attempt(() => readFile(join(folder, name)));
      expect(once).toBe(true);
      expect(message).toContain(`Expected to open ${folder}/${name}, got ${code}: `);
    }
  });

  test.runIf(process.platform === 'linux')('a file system that knows no fsync', async () => {
    expect(await attempt(() => syncFolder('/proc'))).toEqual({
      ...{ once: true, type: 'SystemError' },
      message:
        'Expected to fsync /proc, got EINVAL: its file system cannot do this: choose a folder on a local Unix file system',
    });
  });
});

describe('a server that answers every request with', () => {
  async function answering(status: number): Promise<string> {
    const server = createServer((request, response) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(
        `<Error><Code>${status === 501 ? 'NotImplemented' : 'Busy'}</Code><Message>A header</Message></Error>`,
      );
    });
    return `http://${await listening(server)}`;
  }
  const env = (endpoint: string) => ({
    ...{ AWS_ENDPOINT_URL_S3: endpoint, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_MAX_ATTEMPTS: '1' },
  });

  test('501, for S3', async () => {
    const endpoint = await answering(501);
    const store = await createS3Store('s3://eyes/p', { env: env(endpoint) });
    const line = `Expected ${endpoint} to know s3:PutObject with the conditions and checksums that a store needs, got NotImplemented (501): use another S3 server, or a folder`;
    expect(await attempt(() => store.put('a', noise(10)))).toEqual({
      ...{ once: true, type: 'StoreRefusal', message: line },
    });
    // And before anything runs.
    await expect(store.check()).rejects.toThrow(line);
  });

  test('503, for S3', async () => {
    const store = await createS3Store('s3://eyes/p', { env: env(await answering(503)) });
    expect(await attempt(() => store.put('a', noise(10)))).toMatchObject({ once: false });
  });

  test.each([
    [501, true],
    [503, false],
  ])('%i, for Kaggle', async (status, once) => {
    services.env = { HOME: folder };
    const source = await answering(status);
    const activities = createDownloadActivities(services, SMALL);
    expect(await attempt(() => activities.listFiles(argsFor(source)))).toMatchObject({ once });
  });
});

describe('tried again', () => {
  test('a full disk', async () => {
    const work = async () => {
      const full = await open('/dev/full', 'w');
      await full.writeFile('x').finally(() => full.close());
    };
    expect(await attempt(work)).toMatchObject({ once: false, message: expect.stringContaining('ENOSPC') });
  });

  test('nobody who listens', async () => {
    const server = createServer();
    const port = Number((await listening(server)).split(':')[1]);
    await new Promise(done => server.close(done));
    const work = () => new Promise((_, reject) => connect(port, '127.0.0.1').once('error', reject));
    expect(await attempt(work)).toMatchObject({ once: false, message: expect.stringContaining('ECONNREFUSED') });
  });

  test('what is not known, ten times', async () => {
    expect(await attempt(() => Promise.reject(new Error('odd')))).toEqual({
      once: false,
      type: undefined,
      message: 'odd',
    });
  });
});

test('what is wasted grows with each attempt, and is no progress', async () => {
  let heartbeatDetails: unknown;
  const outcomes: unknown[] = [];
  for (let n = 1; n <= 10; n++) {
    const environment = quietEnvironment({ heartbeatDetails });
    environment.on('heartbeat', details => {
      heartbeatDetails = details;
    });
    const fail = () =>
      withHeartbeat(async report => {
        report({ iteration: 3, wasted: { iterations: 3 * n, seconds: n } });
        throw new Error('odd');
      });
    outcomes.push((await attempt(fail, environment)).once);
    if (n < 10) expect(heartbeatDetails).toMatchObject({ failures: n, wasted: { iterations: 3 * n } });
  }
  expect(outcomes).toEqual([...Array(9).fill(false), true]);
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
