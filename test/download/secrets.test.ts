/**
 * A run with real credentials against a server that demands them, misbehaves, repeats them in its errors and refuses them in the
 * end: they are in nothing that anybody can read afterwards, and neither are the signatures of its addresses.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection, ServiceError } from '@temporalio/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { openOutFolder } from '../../cli/local/run-dir.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { type KaggleServer, type Misbehaviour, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { expired, refusal, storageError } from '../../synthetic/kaggle/server-faults.ts';
import { eventually, retinopathy } from '../support/command.ts';
import { busy } from '../support/odd-answers.ts';
import { LABELS, noise, served, zipOf } from './world.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

interface Credentials {
  name: string;
  env: Record<string, string>;
  /** What the server wants to see. */
  token: string;
  /** The header it is seen in. */
  authorization: string;
  secrets: string[];
}
const TOKEN = 'KGAT_3f9c2a77e1d84b06';
const KEY = '0b5d17c94e3a4f6f8a21';
const CASES: Credentials[] = [
  {
    name: 'a token',
    env: { KAGGLE_API_TOKEN: TOKEN },
    token: TOKEN,
    authorization: `Bearer ${TOKEN}`,
    secrets: [TOKEN, base64(TOKEN)],
  },
  {
    name: 'a user’s key',
    env: { KAGGLE_USERNAME: 'reader', KAGGLE_KEY: KEY },
    token: KEY,
    authorization: `Basic ${base64(`reader:${KEY}`)}`,
    secrets: [KEY, base64(KEY), base64(`reader:${KEY}`)],
  },
];
const LABELS_FILE = 'trainLabels.csv.zip';
/** What makes an address one that anybody may use. */
const SIGNATURE = /X-Goog-(Signature|Credential|Date)|[?&](Signature|GoogleAccessId)=/i;

let folder: string;
let server: KaggleServer | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-'));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** Serves two parts badly: every kind of trouble once, then a token that is good no longer. */
async function startBadServer({ token, authorization }: Credentials): Promise<{ url: string; misdeeds(): number }> {
  const told = `not with ${authorization} (${token}) at https://storage.example/a?X-Goog-Signature=00&Signature=00`;
  const storage: (Misbehaviour | undefined)[] = [
    storageError(503, 'Busy', told),
    { resetAfter: 0 },
    undefined,
    expired('v4'),
    storageError(403, 'SignatureDoesNotMatch', told),
    { resetAfter: 100_000 },
    { flipAt: 1000 },
    { cutAfter: 200_000 },
  ];
  let [calls, requests] = [0, 0];
  server = await startKaggleServer({
    competition: 'diabetic-retinopathy-detection',
    token,
    bytesPerSecond: 4e6,
    files: [
      served('train.zip.001', noise(12 << 20)),
      served('train.zip.002', noise(9 << 20)),
      served(LABELS_FILE, await zipOf({ 'trainLabels.csv': Buffer.from(LABELS) }, true)),
    ],
    onApiRequest({ method }) {
      calls += 1;
      if (calls === 1) return refusal(503, told);
      return method === 'DownloadDataFile' && requests > storage.length ? refusal(401, told) : undefined;
    },
    onStorageRequest({ name }) {
      // An attempt that fails, and waits so long for the next that the server still tells of it in the end.
      if (name === LABELS_FILE) return busy(503, 60);
      requests += 1;
      return requests > storage.length + 2 ? expired('v4') : storage[requests - 1];
    },
  });
  return { url: server.url, misdeeds: () => requests };
}

it.each(process.env.RETINOPATHY_LONG ? CASES : CASES.slice(0, 1))(
  '$name',
  async credentials => {
    const bad = await startBadServer(credentials);
    const [out, home] = [join(folder, 'out'), join(folder, 'home')];
    await mkdir(home);
    const port = await choosePort(undefined, 0, '--port');
    const command = retinopathy(
      [
        ...['run', '--source', bad.url, '--out', out, '--until', 'download', '--no-keep', '--port', String(port)],
        ...['--set', 'archive.parts=2'],
      ],
      {
        ...credentials.env,
        HOME: home,
        RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1',
        XDG_CACHE_HOME: process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'),
        RETINOPATHY_LOG_LEVEL: 'debug',
      },
    );
    const texts = new Map<string, string>();
    await watch(port, command.exited, texts);
    expect(await command.exited, command.output()).toEqual({ code: 1, signal: null });
    texts.set('what is printed', command.output());
    // The run got as far as it should, and ended as it should.
    expect(bad.misdeeds()).toBeGreaterThan(8);
    expect(command.output()).toMatch(/Expected 127\.0\.0\.1:\d+ to accept the credentials from KAGGLE_.*, got 401/);

    await histories(out, texts);
    for (const path of await readdir(out, { recursive: true, withFileTypes: true })) {
      const file = join(path.parentPath, path.name);
      if (path.isFile()) texts.set(file, (await readFile(file)).toString('latin1'));
    }
    const all = [...texts.keys()].join('\n');
    for (const wanted of [
      /heartbeat of .*downloadPart/,
      /history of .*\/download/,
      /logs\/worker-cpu\.log/,
      /run\.json/,
    ]) {
      expect(all).toMatch(wanted);
    }
    const everything = [...texts.values()].join();
    for (const type of ['AccessDenied', 'RateLimited']) expect(everything).toContain(type);
    for (const [where, text] of texts) {
      for (const secret of credentials.secrets) expect(text.includes(secret), `${secret} in ${where}`).toBe(false);
      expect(SIGNATURE.exec(text)?.[0], `a signature in ${where}`).toBeUndefined();
    }
  },
  120_000,
);

/** Everything that the server tells of activities while they run: heartbeats, and what the last attempt failed with. */
async function watch(port: number, over: Promise<unknown>, texts: Map<string, string>): Promise<void> {
  const ended = over.then(() => 'ended' as const);
  // The server goes with the command: nothing is asked twice.
  const connect = () => Connection.connect({ address: `127.0.0.1:${port}`, connectTimeout: '1s', interceptors: [] });
  const connection = await eventually('the Temporal server', 60, () =>
    Promise.race([ended, connect().catch(() => undefined)]),
  );
  if (connection === 'ended') return;
  const { workflow } = new Client({ connection });
  const look = async () => {
    for await (const { workflowId } of workflow.list({ query: "ExecutionStatus = 'Running'" })) {
      const { raw } = await workflow.getHandle(workflowId).describe();
      for (const activity of raw.pendingActivities ?? []) {
        const name = `heartbeat of ${workflowId} ${activity.activityType?.name} ${activity.activityId}`;
        texts.set(name, (texts.get(name) ?? '') + textOf(activity));
      }
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  };
  try {
    while ((await Promise.race([ended, look()])) !== 'ended');
  } catch (error) {
    await ended;
    if (!(error instanceof ServiceError)) throw error;
  } finally {
    await connection.close();
  }
}

/** All events of all workflows, with their payloads and failures as text. */
async function histories(path: string, texts: Map<string, string>): Promise<void> {
  const out = await openOutFolder(path);
  const { path: temporal } = await findTemporalCli({ env: process.env });
  const [port, uiPort] = [await choosePort(undefined, 0, '--port'), await choosePort(undefined, 0, '--ui-port')];
  const embedded = await startEmbedded({ temporal, out, port, uiPort, store: `file:${join(path, 'store')}` });
  try {
    for await (const { workflowId } of embedded.client.workflow.list()) {
      texts.set(
        `history of ${workflowId}`,
        textOf(await embedded.client.workflow.getHandle(workflowId).fetchHistory()),
      );
    }
  } finally {
    await embedded.stop();
    out.release();
  }
}

/** Every text and every payload in a message, however deep. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return `${value}\n`;
  if (value instanceof Uint8Array) return `${Buffer.from(value).toString('latin1')}\n`;
  if (typeof value !== 'object' || value === null) return '';
  return Object.values(value).map(textOf).join('');
}
