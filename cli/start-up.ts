/** Sets this machine up for an out folder: the tools are found or made, Temporal's server started. */
import colors from 'picocolors';
import { findCaffe } from '../bootstrap/caffe.ts';
import { findTemporalCli } from '../bootstrap/temporal-cli.ts';
import type { Console } from './console.ts';
import { type Embedded, startEmbedded } from './embedded.ts';
import type { OutFolder } from './out-folder.ts';
import { choosePort, holdPort } from './ports.ts';

export interface StartUpOptions {
  screen: Console;
  out: OutFolder;
  store: string;
  /** As asked for; else the usual ones, or free ones. */
  port?: number | undefined;
  uiPort?: number | undefined;
  /** Processes may be killed: somebody else tells of it. */
  expectKills?: boolean;
}

/** Temporal's own. */
const USUAL_PORT = 7233;

/** @throws UserError when a tool cannot be had, or a port is taken */
export async function startUp({
  screen,
  out,
  store,
  expectKills = false,
  ...ports
}: StartUpOptions): Promise<Embedded> {
  const report = (line: string) => screen.line(`  ${colors.dim(line)}`);
  const [temporal] = await Promise.all([
    findTemporalCli({ env: process.env, report }),
    findCaffe({ env: process.env, report }),
  ]);
  const letGo = await holdPort(USUAL_PORT - 1);
  try {
    // Another start is about to take the usual ones: any other does as well.
    const port = await choosePort(ports.port, letGo ? USUAL_PORT : 0, '--port');
    const uiPort = await choosePort(ports.uiPort, letGo ? port + 1000 : 0, '--ui-port');
    return await startEmbedded({
      temporal: temporal.path,
      ...{ out, port, uiPort, store },
      onRestart: (name, why) => {
        if (expectKills && why === 'SIGKILL') return;
        screen.line(colors.yellow(`  ${name} ended (${why}) and is started again`));
      },
    });
  } finally {
    letGo?.();
  }
}
