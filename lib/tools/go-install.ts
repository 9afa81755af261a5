/** Builds a tool from its Go module. */
import { runChild } from '../process/child-process.ts';
import { which } from '../process/which.ts';
import { neverSilent, type Report, seldom } from './missing-tool.ts';

interface GoInstall {
  /** Name of the tool in messages: `the Temporal CLI`. */
  tool: string;
  /** Package with its version: `github.com/temporalio/cli/cmd/temporal@v1.5.1`. */
  target: string;
  /** Flags of the linker beside `-s -w`. */
  linkerFlags?: string;
  /** Duration of the build in messages: `three to four minutes on two cores`. */
  takes: string;
  env: NodeJS.ProcessEnv;
  report: Report;
  signal?: AbortSignal;
}

/**
 * Builds the executable into `folder`. Go verifies each module against its checksum database.
 * @throws Error with Go's last line, or when Go is missing or set to verify no modules
 */
export async function goInstall(
  folder: string,
  { tool, target, linkerFlags = '', takes, env, report, signal }: GoInstall,
): Promise<void> {
  if ((await which('go', env.PATH)) === null) throw new Error('no Go in PATH to build it with');
  const { tail } = await runChild(['go', 'env', 'GOSUMDB', 'GONOSUMDB'], { env });
  const [database, exempt = ''] = tail;
  if (database === 'off' || exempt.split(',').includes('*')) {
    throw new Error(
      'Go is set to check no modules: set GOSUMDB to sum.golang.org, and GONOSUMDB and GOPRIVATE without *',
    );
  }
  report(`building ${tool} with Go: ${takes}, this once`);
  let packages = 0;
  const command = ['go', 'install', '-v', '-ldflags', `-s -w ${linkerFlags}`.trim(), target];
  const exit = await neverSilent(`building ${tool}`, report, say => {
    const tell = seldom(say);
    return runChild(command, {
      env: { ...env, GOBIN: folder },
      ...(signal && { signal }),
      onLine(line) {
        // Go prints a line for every module that it fetches, then one for every package that it compiles.
        if (/^[\w.-]+(\/|$)/.test(line)) packages += 1;
        tell(`building ${tool}: ${packages > 0 ? `${packages} packages compiled` : line}`);
      },
    });
  });
  signal?.throwIfAborted();
  if (exit.code === 0) return;
  throw new Error(`go install ended with ${exit.signal ?? `exit ${exit.code}`}: ${exit.tail.at(-1) ?? 'no message'}`);
}
