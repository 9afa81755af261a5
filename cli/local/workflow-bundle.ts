/** Bundle of the workflows' code for the workers of a command: built once, so that a restarted worker runs the same code. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild } from '../../lib/process/child-process.ts';
import { UserError } from '../../lib/user-error.ts';
import { sha256 } from '../../storage/checksum.ts';

export interface WorkflowBundle {
  file: string;
  /** Hash of the code that decides how a workflow replays. */
  hash: string;
}

/**
 * Bundles in a process of its own, because bundling takes seconds, and memory that this process would keep.
 * @param folder folder for the bundle
 * @param env `RETINOPATHY_WORKFLOW_BUNDLE`: a prebuilt bundle
 * @throws UserError with one line that says why there is no bundle
 */
export async function makeWorkflowBundle(folder: string, env: NodeJS.ProcessEnv): Promise<WorkflowBundle> {
  const ahead = env.RETINOPATHY_WORKFLOW_BUNDLE;
  const file = ahead ? resolve(ahead) : join(folder, 'workflows.js');
  if (!ahead) await bundleInto(file, env);
  const code = await readFile(file, 'utf8').catch(error => {
    throw new UserError(`Expected the bundle of the workflows at ${file} to be readable, got ${error.code}`);
  });
  return { file, hash: hashOfBundle(code) };
}

/** Returns the same hash for the same code in any folder: the source map, which contains the project's path, is left out. */
export function hashOfBundle(code: string): string {
  const replayed = code.replace(/^\/\/# sourceMappingURL=.*$/m, '');
  return sha256(replayed).slice(0, 16);
}

async function bundleInto(file: string, env: NodeJS.ProcessEnv): Promise<void> {
  const script = fileURLToPath(new URL('../../deploy/bundle-workflows.ts', import.meta.url));
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), script, file];
  const { code, signal, tail } = await runChild(command, { env });
  if (code === 0) return;
  const said = tail.findLast(line => line.trim() !== '')?.replace(/^bundle-workflows: /, '');
  throw new UserError(said ?? `Expected the workflows to be bundled into ${file}, got ${signal ?? `exit ${code}`}`);
}
