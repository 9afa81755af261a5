/** `node --import tsx deploy/bundle-workflows.ts FILE`: the workflows' code as one file, for RETINOPATHY_WORKFLOW_BUNDLE of a worker. */
import { writeFile } from 'node:fs/promises';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { WORKFLOWS } from '../workers/workflow-code.ts';

const [file] = process.argv.slice(2);
if (!file) {
  process.stderr.write('bundle-workflows: Expected a file to write, got nothing\n');
  process.exit(1);
}
const { code } = await bundleWorkflowCode({ workflowsPath: WORKFLOWS, logger: new DefaultLogger('WARN') });
await writeFile(file, code);
