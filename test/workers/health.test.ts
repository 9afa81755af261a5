/** What a worker answers when asked for its health. */
import { afterEach, expect, test } from 'vitest';
import { formatAddress, type Health, parseListenAddress, serveHealth, type Watched } from '../../workers/health.ts';

type State = ReturnType<Watched['workers'][number]['getState']>;

let health: Health | undefined;
afterEach(() => health?.close());

const worker = (state: State) => ({ getState: () => state });
const answering = (answer: () => Promise<unknown>) =>
  ({ workflowService: { getSystemInfo: answer } }) as unknown as Watched['connection'];
const temporal = answering(async () => ({}));

async function ask(path: string, watched: Watched): Promise<string> {
  health = await serveHealth('0', watched);
  const answer = await fetch(`${health.url}${path}`);
  return `${answer.status} ${(await answer.text()).trim()}`;
}

const CASES: [name: string, watched: Watched, live: string, ready: string][] = [
  [
    'while it starts',
    { workers: [], connection: temporal },
    '200 ok',
    '503 Expected the worker to poll, got one that starts',
  ],
  ['when it polls', { workers: [worker('RUNNING'), worker('RUNNING')], connection: temporal }, '200 ok', '200 ok'],
  [
    'when it goes away',
    { workers: [worker('RUNNING'), worker('DRAINING')], connection: temporal },
    ...(['200 ok', '503 Expected the worker to poll, got RUNNING, DRAINING'] as const),
  ],
  [
    'when it has failed',
    { workers: [worker('FAILED')], connection: temporal },
    ...(['503 Expected every worker to work, got FAILED', '503 Expected the worker to poll, got FAILED'] as const),
  ],
  [
    'without Temporal and the store',
    {
      workers: [worker('RUNNING')],
      connection: answering(() => Promise.reject(new Error('14 UNAVAILABLE'))),
      store: { check: () => Promise.reject(new Error('Expected the disk to be there\n    at a line of code')) },
    },
    '200 ok',
    '503 Expected Temporal to answer, got: 14 UNAVAILABLE; Expected the store to answer, got: Expected the disk to be there',
  ],
];

test.each(CASES)('%s', async (_name, watched, live, ready) => {
  expect(await ask('/live', watched)).toBe(live);
  health?.close();
  expect(await ask('/ready', watched)).toBe(ready);
  health?.close();
  expect(await ask('/health', watched)).toBe(ready);
});

test('however many ask, the store is tried once', async () => {
  let tries = 0;
  const store = {
    check: async () => {
      tries += 1;
    },
  };
  health = await serveHealth('127.0.0.1:0', { workers: [worker('RUNNING')], connection: temporal, store });
  const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${health!.url}/ready`)));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect(tries).toBe(1);
});

test('an address that is taken', async () => {
  const watched: Watched = { workers: [], connection: temporal };
  health = await serveHealth('0', watched);
  const taken = new URL(health.url).host;
  await expect(serveHealth(taken, watched)).rejects.toThrow(
    `Expected RETINOPATHY_HEALTH to be an address to listen at, got EADDRINUSE at ${taken}`,
  );
});

test.each([
  ['8080', '127.0.0.1:8080'],
  ['localhost:1', '127.0.0.1:1'],
  ['0.0.0.0:65535', '0.0.0.0:65535'],
  ['[::1]:8080', '[::1]:8080'],
])('%s is an address to listen at', (text, formatted) => {
  expect(formatAddress(parseListenAddress('X', text))).toBe(formatted);
});

test.each(['', 'http', '127.0.0.1:', '70000', 'example.org:80'])('`%s` is none', text => {
  expect(() => parseListenAddress('X', text)).toThrow(
    `Expected X to be PORT or IP:PORT, such as 127.0.0.1:8080, got \`${text}\``,
  );
});
