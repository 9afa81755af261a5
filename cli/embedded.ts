/** The embedded installation of one out folder: Temporal's dev server with its Web UI, and the workers, each a child process. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { type Child, startChild } from '../system/child-process.ts';
import { READY_LINE, type Role } from '../workers/roles.ts';
import type { OutFolder } from './out-folder.ts';
import { UserError } from './user-error.ts';

export interface EmbeddedOptions {
  temporal: string;
  out: OutFolder;
  port: number;
  uiPort: number;
  store: string;
  /** Of the processes; default: this one's. */
  env?: NodeJS.ProcessEnv;
  /** Told when a process died and is started again. */
  onRestart?: (name: string, why: string) => void;
}

export interface Embedded {
  client: Client;
  address: string;
  uiUrl: string;
  /** Rejects when a process keeps dying. */
  broken: Promise<never>;
  startWorkers(roles: readonly Role[]): Promise<void>;
  /** The server and the workers that poll; one that died is not among them until its successor does. */
  processes(): RunningProcess[];
  /** Stops workers of these roles, or all, and waits for them. */
  stopWorkers(roles?: readonly Role[]): Promise<void>;
  stop(): Promise<void>;
}

export interface RunningProcess {
  role: Role | 'server';
  pid: number;
}

/** A process that dies so often in so many milliseconds is not started again. */
const RESTARTS = { most: 5, within: 60_000 };
const STOP_WITHIN_MS = 15_000;
const SERVER_READY_MS = 60_000;
const RETENTION = '30 days';

interface Supervised {
  name: string;
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
  let breakDown: (error: Error) => void = () => {};
  const broken = new Promise<never>((_, reject) => {
    breakDown = reject;
  });
  broken.catch(() => {});

  const server = [
    ...[options.temporal, 'server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'error'],
    ...['--port', String(port), '--ui-port', String(uiPort), '--db-filename', out.database],
  ];
  const workerEnv = {
    ...env,
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: 'default',
    RETINOPATHY_EMBEDDED: '1',
    RETINOPATHY_STORE: options.store,
    RETINOPATHY_SCRATCH: out.scratch,
    RETINOPATHY_INSTANCE: 'local',
  };

  async function supervise(
    name: string,
    role: Supervised['role'],
    command: string[],
    env: NodeJS.ProcessEnv,
    onReady?: () => void,
  ): Promise<Supervised> {
    const log = createWriteStream(join(out.logs, `${name}.log`), { flags: 'a' });
    // A full disk must not end the run for the sake of its log.
    log.on('error', () => {});
    const start = () =>
      startChild(command, {
        cwd: out.path,
        env,
        onLine: line => {
          log.write(`${line}\n`);
          if (role === 'server' || line !== READY_LINE) return;
          supervised.ready = true;
          onReady?.();
        },
      });
    const supervised: Supervised = { name, role, child: await start(), ready: role === 'server', stopping: false, log };
    processes.add(supervised);
    const deaths: number[] = [];
    const watch = (child: Child): void => {
      void child.exited.then(async ({ code, signal, tail }) => {
        supervised.ready = false;
        if (supervised.stopping) return;
        const why = signal ?? `exit ${code}`;
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

  const temporal = await supervise('server', 'server', server, env);
  let connection: Connection;
  try {
    connection = await Promise.race([connect(address, temporal), broken]);
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
          let ready = () => {};
          const polls = new Promise<void>(resolve => {
            ready = resolve;
          });
          const launcher = fileURLToPath(new URL('./start.mjs', import.meta.url));
          const command = [process.execPath, launcher, 'worker', role];
          await supervise(`worker-${role}`, role, command, workerEnv, ready);
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

/** Connects when the server answers, and keeps closed runs for a month: the dev server's own 24 h would lose a finished run over a weekend. */
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
          `Expected Temporal's dev server to answer at ${address} within ${SERVER_READY_MS / 1000} s, got: ${(error as Error).message} (log: ${server.log.path})`,
        );
      }
      await new Promise(resolve => setTimeout(resolve, 200));
    }
  }
}

/** The environment without what would point the embedded processes at another Temporal service. */
function cleanEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

function lastWords(tail: readonly string[]): string {
  return tail.findLast(line => line.trim() !== '')?.trim() ?? 'it said nothing';
}
