/** Session of a command on this machine: it locks the out folder, can be stopped at any moment, and leaves no process running. */

import colors from 'picocolors';
import { watchParents } from '../../lib/process/parent-exit.ts';
import { findCaffe } from '../../lib/tools/caffe.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { ROLES, type Role } from '../../workers/roles.ts';
import type { Console } from '../ui/console.ts';
import { Stopped, stopSignal } from './interrupt.ts';
import { type Embedded, environmentOf, startEmbedded } from './local-cluster.ts';
import { withPorts } from './ports.ts';
import { type OutFolder, openOutFolder } from './run-dir.ts';
import { makeWorkflowBundle } from './workflow-bundle.ts';

interface SessionOptions {
  screen: Console;
  /** The out folder. */
  folder: string;
  /** After an interrupt, also prints how to discard the files of the run. */
  discardable?: boolean;
}

interface StartOptions {
  store: string;
  /** Files that workers may read for inputs, beside the out folder. */
  files: readonly string[];
  /** Default: all. */
  roles?: readonly Role[];
  /** Requested port; default: the usual one, or a free one. */
  port: number | undefined;
  uiPort: number | undefined;
  /** Omits the notice of a killed process, which the caller displays. */
  expectKills?: boolean;
}

interface Session {
  out: OutFolder;
  /** Aborted when the command ends, for whatever reason. */
  signal: AbortSignal;
  /** Waits for `work`, but throws `Stopped` as soon as the command is interrupted. */
  race<Result>(work: Promise<Result>): Promise<Result>;
  /**
   * Starts Temporal's server and workers; they end with the session.
   * @returns also the hash of the workflows' code that the workers run
   * @throws UserError when a tool is missing or a port is in use
   */
  start(options: StartOptions): Promise<Embedded & { code: string }>;
  /** Runs `work` beside the rest until `signal` is aborted. The session waits for its end. Only the caller sees its failure. */
  beside<Result>(work: Promise<Result>): Promise<Result>;
}

/**
 * Runs a command in a session.
 * @param command returns the exit status
 * @returns that status, or the one of the interrupt: a signal, or the death of the parent process
 * @throws UserError when the folder is locked or cannot be used, and errors of `command`
 */
export async function session(
  { screen, folder, discardable = false }: SessionOptions,
  command: (session: Session) => Promise<number>,
): Promise<number> {
  const out = await openOutFolder(folder);
  const stop = stopSignal();
  const orphaned = await watchParents(reason => stop.trigger(new Stopped(reason, 129)));
  const ending = new AbortController();
  const companions: Promise<unknown>[] = [];
  let embedded: Embedded | undefined;
  try {
    return await command({
      ...{ out, signal: ending.signal },
      race: work => stop.race(work),
      async start({ store, files, roles = ROLES, port, uiPort, expectKills = false }) {
        const workflows = makeWorkflowBundle(out.path, environmentOf('workflow', process.env));
        // A failure is thrown where the bundle is needed. Another failure may end the session before.
        workflows.catch(() => {});
        const tools = { env: process.env, report: (line: string) => screen.line(`  ${colors.dim(line)}`) };
        const [temporal] = await stop.race(
          Promise.all([findTemporalCli(tools), roles.includes('gpu') ? findCaffe(tools) : undefined]),
        );
        const started = withPorts({ port, uiPort }, ports =>
          startEmbedded({
            temporal: temporal.path,
            ...{ out, store, files, workflows, ...ports },
            onRestart: (name, why) => {
              if (expectKills && why === 'SIGKILL') return;
              screen.line(colors.yellow(`  ${name} ended (${why}) and is started again`));
            },
          }),
        );
        embedded = await stop.race(started);
        await stop.race(embedded.startWorkers(roles));
        return { ...embedded, code: (await workflows).hash };
      },
      beside(work) {
        companions.push(work.catch(() => {}));
        return work;
      },
    });
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    screen.settle();
    screen.line(`\n  Paused, not cancelled (${error.message}).`);
    screen.line(`  Go on:   the same command again: finished work is not done twice`);
    if (discardable) screen.line(`  Discard: ${await out.howToDiscard()}`);
    return error.exitCode;
  } finally {
    orphaned.stop();
    ending.abort();
    await Promise.all(companions);
    screen.settle();
    await embedded?.stop();
    out.release();
    stop.release();
  }
}
