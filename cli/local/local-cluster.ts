/** The embedded installation of one out folder: Temporal's dev server with its Web UI, and the workers, each a child process. */
import { createWriteStream, existsSync, type WriteStream } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { allowFiles } from '../../lib/allowed-files.ts';
import { type Child, startChild } from '../../lib/process/child-process.ts';
import { quote, reasonOf } from '../../lib/quote.ts';
import { UserError } from '../../lib/user-error.ts';
import { FINAL_EXIT, READY_LINE, type Role } from '../../workers/roles.ts';
import { folderGone, type OutFolder } from './run-dir.ts';
import type { WorkflowBundle } from './workflow-bundle.ts';

export interface EmbeddedOptions {
  temporal: string;
  out: OutFolder;
  port: number;
  uiPort: number;
  store: string;
  /** Files that workers may read for inputs, beside the out folder and those that RETINOPATHY_FILES names. */
  files?: readonly string[];
  /** Bundle for the workflow worker; default: the worker builds its own. */
  workflows?: Promise<WorkflowBundle>;
  /** Environment of the processes; default: that of this process. */
  env?: NodeJS.ProcessEnv;
  /** Called when a process has died and is restarted. */
  onRestart?: (name: string, why: string) => void;
}

export interface Embedded {
  client: Client;
  address: string;
  uiUrl: string;
  /** Rejects when a process keeps dying, or cannot work. */
  broken: Promise<never>;
  startWorkers(roles: readonly Role[]): Promise<void>;
  /** Returns the server and the workers that poll. A worker that died is missing until its successor polls. */
  processes(): { role: Role | 'server'; pid: number }[];
  /** Stops workers of these roles, or all, and waits for them. */
  stopWorkers(roles?: readonly Role[]): Promise<void>;
  stop(): Promise<void>;
}

/** A process that dies more often than `most` times within so many milliseconds is not restarted. */
const RESTARTS = { most: 5, within: 60_000 };
const STOP_WITHIN_MS = 15_000;
const SERVER_READY_MS = 60_000;
const RETENTION = '30 days';

/** One partition per queue hands out tasks in their order, so that the trainings of a run advance in turn. */
const ONE_PARTITION = ['Read', 'Write'].flatMap(way => [
  '--dynamic-config-value',
  `matching.numTaskqueue${way}Partitions=1`,
]);

interface Supervised {
  role: Role | 'server';
  child: Child;
  ready: boolean;
  stopping: boolean;
  log: WriteStream;
}

/** Starts the server and waits until it answers. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { out, port, uiPort, onRestart } = options;
  const env = cleanEnv(options.env ?? process.env);
  const address = `127.0.0.1:${port}`;
  const processes = new Set<Supervised>();
  let answered = false;
  let breakDown: (error: Error) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    breakDown = reject;
  });
  broken.catch(() => {});

  const server = [
    ...[options.temporal, 'server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'error'],
    ...['--port', String(port), '--ui-port', String(uiPort), '--db-filename', out.database],
    ...ONE_PARTITION,
  ];
  const workerEnv = {
    ...allowFiles(env, [out.path, ...(options.files ?? [])]),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: 'default',
    RETINOPATHY_EMBEDDED: '1',
    RETINOPATHY_STORE: options.store,
    RETINOPATHY_SCRATCH: out.scratch,
    RETINOPATHY_INSTANCE: 'local',
  };

  async function supervise(
    role: Supervised['role'],
    command: string[],
    env: NodeJS.ProcessEnv,
    onReady = () => {},
  ): Promise<Supervised> {
    const name = role === 'server' ? role : `worker-${role}`;
    const log = createWriteStream(join(out.logs, `${name}.log`), { flags: 'a' });
    // A full disk must not end the run because of its log.
    log.on('error', () => {});
    const start = () =>
      startChild(command, {
        cwd: out.path,
        env,
        onLine: line => {
          log.write(`${line}\n`);
          const fault = role === 'server' ? databaseFault(line, out.database) : undefined;
          if (fault !== undefined) breakDown(fault);
          if (role === 'server' || line !== READY_LINE) return;
          supervised.ready = true;
          onReady();
        },
      });
    const supervised: Supervised = { role, child: await start(), ready: role === 'server', stopping: false, log };
    processes.add(supervised);
    const deaths: number[] = [];
    const watch = (child: Child): void => {
      void child.exited.then(async ({ code, signal, tail }) => {
        supervised.ready = false;
        if (supervised.stopping) return;
        const why = signal ?? `exit ${code}`;
        // A restart would end in the same way.
        if (role === 'server' && !answered && code !== null) return breakDown(serverFault(tail, out));
        if (code === FINAL_EXIT) return breakDown(new UserError(lastWords(tail).replace(/^retinopathy: /, '')));
        deaths.push(Date.now());
        if (deaths.filter(at => at > Date.now() - RESTARTS.within).length > RESTARTS.most) {
          breakDown(new UserError(`Expected ${name} to keep running, got ${why}: ${lastWords(tail)} (${out.logs})`));
          return;
        }
        onRestart?.(name, why);
        try {
          supervised.child = await start();
          supervised.ready ||= role === 'server';
          if (supervised.stopping) supervised.child.kill('SIGTERM');
          watch(supervised.child);
        } catch (error) {
          breakDown(error as Error);
        }
      });
    };
    watch(supervised.child);
    return supervised;
  }

  async function end(those: Supervised[]): Promise<void> {
    await Promise.all(
      those.map(async supervised => {
        supervised.stopping = true;
        supervised.child.kill('SIGTERM');
        const force = setTimeout(() => supervised.child.kill('SIGKILL'), STOP_WITHIN_MS);
        await supervised.child.exited;
        clearTimeout(force);
        supervised.log.end();
        processes.delete(supervised);
      }),
    );
  }

  const temporal = await supervise('server', server, environmentOf('server', env));
  let connection: Connection;
  try {
    connection = await Promise.race([connect(address, temporal), broken]);
    answered = true;
  } catch (error) {
    await end([...processes]);
    throw error;
  }

  return {
    client: new Client({ connection }),
    address,
    uiUrl: `http://127.0.0.1:${uiPort}`,
    broken,
    async startWorkers(roles) {
      await Promise.all(
        roles.map(async role => {
          const command = [process.execPath, join(import.meta.dirname, '../start.mjs'), 'worker', role];
          const own = environmentOf(role, workerEnv);
          const bundle = role === 'workflow' ? await options.workflows : undefined;
          const env = bundle ? { ...own, RETINOPATHY_WORKFLOW_BUNDLE: bundle.file } : own;
          const polls = new Promise<void>((resolve, reject) => {
            supervise(role, command, env, resolve).catch(reject);
          });
          await Promise.race([polls, broken]);
        }),
      );
    },
    processes() {
      return [...processes].filter(({ ready }) => ready).map(({ role, child }) => ({ role, pid: child.pid }));
    },
    async stopWorkers(roles) {
      await end([...processes].filter(p => p.role !== 'server' && (!roles || roles.includes(p.role))));
    },
    async stop() {
      await connection.close();
      await end([...processes].filter(p => p.role !== 'server'));
      await end([...processes]);
    },
  };
}

/** Connects when the server answers, and keeps closed runs for 30 days. The dev server's 24 h would lose a run over a weekend. */
async function connect(address: string, server: Supervised): Promise<Connection> {
  const deadline = Date.now() + SERVER_READY_MS;
  for (;;) {
    let connection: Connection | undefined;
    try {
      connection = await Connection.connect({ address, connectTimeout: '2s' });
      await connection.workflowService.updateNamespace({
        namespace: 'default',
        config: { workflowExecutionRetentionTtl: msToTs(RETENTION) },
      });
      return connection;
    } catch (error) {
      await connection?.close();
      if (Date.now() > deadline) {
        throw new UserError(
          `Expected Temporal's dev server to answer at ${address} within ${SERVER_READY_MS / 1000} s, got: ${reasonOf(error)} (log: ${server.log.path})`,
        );
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
}

/** Returns the environment of a process. Only the worker that downloads gets Kaggle's credentials. */
export function environmentOf(role: Role | 'server', env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  if (role === 'cpu') return env;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('KAGGLE_')));
}

/** Returns the environment without the variables that would point the embedded processes at another Temporal service. */
function cleanEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

/** SQLite's error messages. A full disk is not among them, because it passes. */
const DAMAGED = /file is not a database|database disk image is malformed|malformed database schema/;
const UNUSABLE = /unable to open database file|attempt to write a readonly database/;
const MOST_WORDS = 200;

/** Returns the database fault that a line of the server's log reports; undefined for any other line. */
function databaseFault(line: string, database: string): UserError | undefined {
  const damaged = DAMAGED.exec(line)?.[0];
  if (damaged !== undefined) {
    return new UserError(
      `Expected ${database} to be a database of Temporal's, got ${damaged}: move ${database}* aside and start again, the store keeps finished work`,
    );
  }
  const unusable = UNUSABLE.exec(line)?.[0];
  if (unusable === undefined) return undefined;
  if (!existsSync(database)) return folderGone(dirname(database));
  return new UserError(
    `Expected ${database} to be a file that this user can write, got ${unusable}: make it one, or move it aside; the store keeps finished work`,
  );
}

/** Returns the fault of a server that ended before it answered. */
function serverFault(tail: readonly string[], { database, logs }: Pick<OutFolder, 'database' | 'logs'>): UserError {
  const [fault] = tail.flatMap(line => databaseFault(line, database) ?? []);
  const words = (/msg="((?:[^"\\]|\\.)*)"/.exec(lastWords(tail))?.[1] ?? lastWords(tail)).slice(0, MOST_WORDS);
  return fault ?? new UserError(`Expected Temporal's server to start, got: ${words} (${logs}/server.log)`);
}

/** Returns the last line that is not blank. */
function lastWords(tail: readonly string[]): string {
  return quote(tail.findLast(line => line.trim() !== '') ?? 'it said nothing', 300);
}
