/** Builds a tool with Go, from its module. */
import { runChild } from '../system/child-process.ts';
import { which } from '../system/which.ts';
import { neverSilent, type Report } from './missing-tool.ts';

export interface GoInstall {
  /** For people: `the Temporal CLI`. */
  tool: string;
  /** With its version: `github.com/temporalio/cli/cmd/temporal@v1.5.1`. */
  target: string;
  /** What the linker is given beside `-s -w`. */
  linkerFlags?: string;
  /** For people: `three to four minutes on two cores`. */
  takes: string;
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Puts the executable into `folder`.
 * @throws Error with what Go said last, or when there is no Go
 */
export async function goInstall(folder: string, { tool, takes, report, ...build }: GoInstall): Promise<void> {
  if ((await which('go', build.env.PATH)) === null) throw new Error('no Go in PATH to build it with');
  report(`building ${tool} with Go: ${takes}, this once`);
  await neverSilent(`building ${tool}`, report, say => install(folder, tool, build, say));
}

async function install(
  folder: string,
  tool: string,
  { target, linkerFlags = '', env, signal }: Pick<GoInstall, 'target' | 'linkerFlags' | 'env' | 'signal'>,
  report: Report,
): Promise<void> {
  let packages = 0;
  let told = Date.now();
  const command = ['go', 'install', '-v', '-ldflags', `-s -w ${linkerFlags}`.trim(), target];
  const exit = await runChild(command, {
    env: { ...env, GOBIN: folder },
    ...(signal && { signal }),
    onLine(line) {
      // One line for every module that is fetched, then one for every package that is compiled.
      if (/^[\w.-]+(\/|$)/.test(line)) packages += 1;
      if (Date.now() - told < 5_000) return;
      told = Date.now();
      report(`building ${tool}: ${packages > 0 ? `${packages} packages compiled` : line}`);
    },
  });
  signal?.throwIfAborted();
  if (exit.code === 0) return;
  throw new Error(`go install ended with ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'no message'}`);
}
