/** The code of the workflows that a worker runs. */
import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkerOptions } from '@temporalio/worker';

export const WORKFLOWS = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/**
 * Bundled at the worker's start, or ahead.
 * @param env `RETINOPATHY_WORKFLOW_BUNDLE`: what `deploy/bundle-workflows.ts` has written, of the same release
 * @throws Error with one line for a person where that file is not there
 */
export async function workflowCode(
  env: NodeJS.ProcessEnv,
): Promise<Pick<WorkerOptions, 'workflowsPath'> | Pick<WorkerOptions, 'workflowBundle'>> {
  const bundle = env.RETINOPATHY_WORKFLOW_BUNDLE;
  if (!bundle) return { workflowsPath: WORKFLOWS };
  const codePath = resolve(bundle);
  await access(codePath).catch(error => {
    throw new Error(
      `Expected RETINOPATHY_WORKFLOW_BUNDLE to be a file that deploy/bundle-workflows.ts has written, got ${error.code} at ${codePath}`,
    );
  });
  return { workflowBundle: { codePath } };
}
