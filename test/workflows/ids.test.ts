/** Ids that a run cannot have, or that something else has: one line, and no second try. */
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { resolveInput } from '../../config/resolve.ts';
import { failureOf, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world?.close());

const LONG = 'x'.repeat(300);
/** Short as it is typed, long as the name of a folder. */
const WIDE = '糖尿病網膜症'.repeat(10);
const input = resolveInput({});

async function lineOf(handle: WorkflowHandle): Promise<string> {
  const message = (await failureOf(handle)) ?? '';
  expect(message).not.toContain('\n');
  expect(message.length).toBeLessThan(400);
  return message;
}

test.each([
  ['a run', 'retinopathyPipeline', LONG, [{}]],
  ['a run of wide letters', 'retinopathyPipeline', WIDE, [{}]],
  ['a first stage', 'downloadArchive', LONG, [{}]],
  ['a stage of such a run', 'prepareImages', 'a', [{ run: LONG }]],
  ['a child of such a run', 'trainNetwork', 'b', [{ run: LONG, input, upstream: {} }]],
  ['a scoring', 'scoreArchive', LONG, [{ run: 'r' }]],
  ['a scoring by such a run', 'scoreArchive', 'c', [{ run: LONG }]],
])('%s with an id that is too long ends with a line about it', async (_, type, id, args) => {
  expect(await lineOf(await world.start(type, id, args))).toMatch(
    /^Expected the id of a run to have 1 to 200 characters, .* got \d+ \(`.{1,41}`\): take another one$/,
  );
});

test('a run whose stage has an id that something else runs under ends with that id', async () => {
  const stranger = await world.start('downloadArchive', 'taken/download', [{ run: 'other', input, upstream: {} }]);
  expect(await lineOf(await world.start('retinopathyPipeline', 'taken', [{}]))).toMatch(
    /^Expected the workflow id taken\/download to be free for a stage of this run, got a running workflow that the run did not start: .*--workflow-id taken\/download/,
  );
  expect((await stranger.describe()).status.name).toBe('RUNNING');
  await stranger.terminate();
});
