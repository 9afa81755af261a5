/** Runs that an older release began must go on under this one: their histories replay on the present workflow code. */
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundle } from '@temporalio/worker';
import { beforeAll, expect, test } from 'vitest';

/** As `temporal workflow show -o json` gives them, of the demo's whole run, of one that was steered, and of a label stage. */
const HISTORIES = new URL('fixtures/histories/', import.meta.url);
let workflowBundle: WorkflowBundle;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('WARN') });
  const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
  workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
});

test.each(await readdir(HISTORIES))('%s replays', async name => {
  const history = historyFromJSON(JSON.parse(await readFile(new URL(name, HISTORIES), 'utf8')));
  expect(history.events!.length).toBeGreaterThan(10);
  await Worker.runReplayHistory({ workflowBundle }, history, idOf(history));
});

/** Children know their parent by its id. */
function idOf({ events }: ReturnType<typeof historyFromJSON>): string {
  return events![0]!.workflowExecutionStartedEventAttributes!.workflowId!;
}
