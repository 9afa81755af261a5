/** `node --import tsx deploy/bundle-workflows.ts FILE`: bundles the workflows' code for RETINOPATHY_WORKFLOW_BUNDLE of a worker. */
import { writeFile } from 'node:fs/promises';
import { bundleWorkflows } from '../workers/workflow-bundle.ts';

try {
  const [file] = process.argv.slice(2);
  if (!file) throw new Error('Expected a file to write, got nothing');
  await writeFile(file, await bundleWorkflows());
} catch (error) {
  process.stderr.write(`bundle-workflows: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
