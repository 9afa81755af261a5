/** What a worker hears of its machine's end, from a metadata service that a client of AWS understands as well. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { defaultProvider } from '@aws-sdk/credential-provider-node';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Reason } from '../../workers/graceful-shutdown.ts';
import { readNotice, watchesSpot, watchSpotNotices } from '../../workers/spot-notice.ts';
import { eventually } from '../support/command.ts';
import { type FakeMetadata, spotNotice, startFakeMetadata } from '../support/instance-metadata.ts';

const ACTION = 'spot/instance-action';
const REBALANCE = 'events/recommendations/rebalance';

let fake: FakeMetadata;
let stops: (() => void)[];
let lines: string[];
let reasons: Reason[];

beforeEach(async () => {
  [stops, lines, reasons] = [[], [], []];
  fake = await startFakeMetadata();
});

afterEach(async () => {
  vi.unstubAllEnvs();
  for (const stop of stops) stop();
  await fake.close();
});

function watch(env: NodeJS.ProcessEnv = { AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.url }): void {
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line).msg) });
  stops.push(watchSpotNotices(env, log, reason => reasons.push(reason), 20));
}

const questions = (status: number) =>
  fake.asked.filter(asked => asked.startsWith('GET') && asked.endsWith(`${status}`));
const tokens = () => fake.asked.filter(asked => asked.startsWith('PUT'));

test('the service of the tests is one that the client of AWS can use', async () => {
  const role = 'iam/security-credentials/';
  fake.data.set(role, 'worker');
  fake.data.set(
    `${role}worker`,
    JSON.stringify({
      ...{ Code: 'Success', Type: 'AWS-HMAC', AccessKeyId: 'id', SecretAccessKey: 'key', Token: 'session' },
      Expiration: new Date(Date.now() + 3_600_000).toISOString(),
    }),
  );
  // What the machine of the test may have of its own.
  for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null');
  vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', fake.url);
  const credentials = await defaultProvider({ ec2MetadataV1Disabled: true, maxRetries: 0 })();
  expect(credentials).toMatchObject({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'session' });
  expect(tokens()).toEqual(['PUT /latest/api/token 200']);
});

test('the service answers nothing without a token', async () => {
  expect((await fetch(`${fake.url}/latest/meta-data/${ACTION}`)).status).toBe(401);
});

describe('notices', () => {
  test('a notice gives its time, once, and ends the watch', async () => {
    watch();
    await eventually('the first questions', 5, () => questions(404).length >= 2);
    expect(reasons).toEqual([]);
    const notice = spotNotice(120);
    fake.data.set(ACTION, notice);
    await eventually('the notice', 5, () => reasons.length > 0);
    const end = Date.parse(JSON.parse(notice).time);
    expect(reasons).toEqual([{ why: 'Spot notice: terminate', by: end - 20_000 }]);
    const asked = fake.asked.length;
    // Two more questions of another client: time enough for one of the watch.
    for (let i = 0; i < 2; i++) await new Promise(resolve => setTimeout(resolve, 25));
    expect(fake.asked).toHaveLength(asked);
  });

  test('a recommendation lets all end, once; a notice may still follow', async () => {
    fake.data.set(REBALANCE, '{"noticeTime":"2020-10-26T15:55:55Z"}');
    watch();
    await eventually('the recommendation', 5, () => reasons.length > 0);
    const asked = fake.asked.length;
    await eventually('further questions', 5, () => fake.asked.length > asked + 2);
    expect(reasons).toMatchObject([{ by: Number.POSITIVE_INFINITY }]);
    fake.data.set(ACTION, spotNotice(120));
    await eventually('the notice', 5, () => reasons.length === 2);
  });

  test('a machine that hibernates, or a notice that cannot be read, leaves no time', () => {
    expect(readNotice(spotNotice(120, 'hibernate'))).toMatchObject({ why: 'Spot notice: hibernate', by: 0 });
    for (const text of ['', 'null', '{}', '<html>', '{"action":"stop","time":"soon"}'])
      expect(readNotice(text).by).toBe(0);
  });

  test('a notice is heard by a machine that was stopped in between, whose tokens are worthless', async () => {
    watch();
    await eventually('the first questions', 5, () => questions(404).length >= 2);
    fake.forgetTokens();
    fake.data.set(ACTION, spotNotice(120));
    await eventually('the notice', 5, () => reasons.length > 0);
  });

  test('a service that falls silent is reported once, and asked on', async () => {
    watch();
    await eventually('the first questions', 5, () => questions(404).length >= 2);
    fake.silent = true;
    await eventually('two questions in vain', 10, () => fake.asked.filter(asked => /nothing$/.test(asked)).length >= 2);
    fake.silent = false;
    fake.data.set(ACTION, spotNotice(120));
    await eventually('the notice', 10, () => reasons.length > 0);
    expect(lines.filter(line => line.startsWith('Spot notices are not heard:'))).toHaveLength(1);
  });
});

describe('outside EC2', () => {
  test.each([
    ['nothing listens', undefined],
    ['nothing answers', 'nothing'],
    ['a server of another kind answers', 404],
  ])('%s: one question, then none', async (_case, status) => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked++;
      if (typeof status === 'number') response.writeHead(status).end();
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const close = () => {
      server.closeAllConnections();
      return new Promise(resolve => server.close(resolve));
    };
    if (status === undefined) await close();
    const started = Date.now();
    watch({ AWS_EC2_METADATA_SERVICE_ENDPOINT: url });
    await eventually('the watch to be off', 5, () => lines.some(line => line.includes('not watched')));
    expect(Date.now() - started).toBeLessThan(3_000);
    if (status !== undefined) await close();
    expect(asked).toBe(status === undefined ? 0 : 1);
    expect(reasons).toEqual([]);
  });

  test('workers of `npm start` ask only where the service is named; nobody asks where it is disabled', () => {
    expect(watchesSpot({})).toBe(true);
    expect(watchesSpot({ RETINOPATHY_EMBEDDED: '1' })).toBe(false);
    expect(watchesSpot({ RETINOPATHY_EMBEDDED: '1', AWS_EC2_METADATA_SERVICE_ENDPOINT: fake.url })).toBe(true);
    expect(watchesSpot({ AWS_EC2_METADATA_DISABLED: 'true' })).toBe(false);
  });

  test('a wrong address is named', () => {
    expect(() => watch({ AWS_EC2_METADATA_SERVICE_ENDPOINT: 'metadata' })).toThrow(
      'Expected AWS_EC2_METADATA_SERVICE_ENDPOINT to be an http:// address, got `metadata`',
    );
  });
});
