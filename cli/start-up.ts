/** Sets this machine up for an out folder: the tools are found or made, Temporal's server started. */
import colors from 'picocolors';
import { findCaffe } from '../bootstrap/caffe.ts';
import { findTemporalCli } from '../bootstrap/temporal-cli.ts';
import type { Console } from './console.ts';
import { type Embedded, startEmbedded } from './embedded.ts';
import type { OutFolder } from './out-folder.ts';
import { withPorts } from './ports.ts';

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
  return withPorts(ports, chosen =>
    startEmbedded({
      temporal: temporal.path,
      ...{ out, store, ...chosen },
      onRestart: (name, why) => {
        if (expectKills && why === 'SIGKILL') return;
        screen.line(colors.yellow(`  ${name} ended (${why}) and is started again`));
      },
    }),
  );
}
