/** Bundle of the workflows' code that a worker runs. */
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Bundles `workflows/` and everything that it imports.
 * @param root folder of the project
 * @throws Error with a one-line message
 */
export async function bundleWorkflows(root = ROOT): Promise<string> {
  const said: string[] = [];
  const logger = new DefaultLogger('ERROR', ({ message }) => said.push(message));
  try {
    const { code } = await bundleWorkflowCode({
      workflowsPath: join(root, 'workflows/index.ts'),
      payloadConverterPath: join(root, 'workflows/payload-converter.ts'),
      // Module names are relative to it, so the same code gives the same bundle in any working directory.
      webpackConfigHook: config => ({ ...config, context: root }),
      logger,
    });
    return code;
  } catch (error) {
    const [first = (error as Error).message] = said.join('\n').match(/^.*\bError: .*$/m) ?? [];
    throw new Error(`Expected the workflows in ${root} to be bundled, got: ${first}`);
  }
}

/**
 * Reads the prebuilt bundle, or builds one.
 * @param env `RETINOPATHY_WORKFLOW_BUNDLE`: a bundle of the same release that `deploy/bundle-workflows.ts` wrote
 * @throws Error with a one-line message when that file cannot be read
 */
export async function workflowCode(env: NodeJS.ProcessEnv): Promise<{ workflowBundle: { code: string } }> {
  const bundle = env.RETINOPATHY_WORKFLOW_BUNDLE;
  if (!bundle) return { workflowBundle: { code: await bundleWorkflows() } };
  const file = resolve(bundle);
  const code = await readFile(file, 'utf8').catch(error => {
    throw new Error(
      `Expected RETINOPATHY_WORKFLOW_BUNDLE to be a file that deploy/bundle-workflows.ts has written, got ${error.code} at ${file}`,
    );
  });
  return { workflowBundle: { code } };
}
