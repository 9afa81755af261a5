/** A retry that is not over says why, where people look. */
import { stripVTControlCharacters } from 'node:util';
import { Context } from '@temporalio/activity';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readLive } from '../../cli/ui/pending-activities.ts';
import { plainLine, progressLines } from '../../cli/ui/progress-view.ts';
import { TASK_QUEUE } from '../../workflows/ids.ts';
import type { Progress } from '../../workflows/progress.ts';
import { eventually } from '../support/command.ts';
import { startSimulation } from './simulation.ts';

let works = false;
let world: Awaited<ReturnType<typeof startSimulation>>;

beforeAll(async () => {
  world = await startSimulation(
    { epochs: 1, segmentsPerEpoch: 1 },
    {
      async listFiles() {
        if (!works)
          throw new Error(`Expected 127.0.0.1:9 to answer, got ECONNREFUSED ${Context.current().info.attempt}`);
        return { folder: 'archives/a', fingerprint: 'f', parts: [], labels: null };
      },
    },
  );
});
afterAll(() => world.close());

test('in `progress`, in the details, on the terminal and in plain lines, until it is over', async () => {
  const { client } = world;
  const handle = await client.workflow.start('retinopathyPipeline', {
    ...{ workflowId: 'refused', taskQueue: TASK_QUEUE, args: [{}] },
  });
  const progressOf = () => handle.query<Progress, []>('progress');
  const [retry] = await eventually('the run to hear of it', 40, async () => {
    const { retries } = await progressOf();
    return retries.length > 0 && retries;
  });
  expect(retry).toMatchObject({
    ...{ activity: 'listFiles', attempts: expect.any(Number) },
    reason: expect.stringMatching(/^Expected 127\.0\.0\.1:9 to answer, got ECONNREFUSED \d/),
  });
  expect(retry!.attempts).toBeGreaterThanOrEqual(2);
  expect(Math.abs(Date.now() - retry!.since)).toBeLessThan(60_000);
  const { currentDetails } = await handle.query<{ currentDetails: string }, []>('__temporal_workflow_metadata');
  expect(currentDetails).toMatch(
    /^- \*\*listFiles\*\* is tried again, \d tries failed since \d\d:\d\d:\d\d: Expected 127\.0\.0\.1:9 to answer, got ECONNREFUSED/m,
  );
  const view = { progress: await progressOf(), live: await readLive(client, 'refused'), now: Date.now() };
  for (const text of [progressLines(view).join('\n'), plainLine(view)])
    expect(stripVTControlCharacters(text)).toMatch(
      /listFiles, try \d, since \d\d:\d\d:\d\d UTC: Expected 127\.0\.0\.1:9/,
    );

  works = true;
  await handle.result();
  expect((await progressOf()).retries).toEqual([]);
});
