/** With fewer graphics cards than splits these advance in turn, a segment each; with enough of them nobody waits. */
import { Context } from '@temporalio/activity';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TASK_QUEUE, trainingName } from '../../workflows/names.ts';
import { testCaffe } from '../support/caffe.ts';
import { eventually } from '../support/command.ts';
import { labelStage, prepareStage, tinyInput } from './prepared.ts';
import { type TrainingWorld, trainingWorld } from './world.ts';

const input = tinyInput({ epochs: 1, segmentsPerEpoch: 3 });
const SPLITS = [[0], [1], [2], [3]];
let world: TrainingWorld;

async function setUp(options: Parameters<typeof trainingWorld>[0]): Promise<void> {
  world = await trainingWorld(options);
  await labelStage(world.services, await prepareStage(world.services.store, 16), input);
}

/** Trains all splits at once, as the whole run does. */
async function trainAll(run: string): Promise<void> {
  const { workflow } = world.environment.client;
  const turns = `${run}/turns`;
  const dealer = await workflow.start('dealTurns', {
    workflowId: turns,
    taskQueue: TASK_QUEUE,
    args: [{ waiting: [], queued: null, expected: SPLITS.length }],
  });
  await Promise.all(SPLITS.map(heads => world.train(run, input, { heads, turns })));
  await dealer.signal('end');
  await dealer.result();
}

/** Ends of segments of all splits in the order of time, by the server's clock. */
async function endsOf(run: string): Promise<number[]> {
  const ends: { split: number; at: bigint }[] = [];
  for (const [split, heads] of SPLITS.entries()) {
    const handle = world.environment.client.workflow.getHandle(`${run}/${trainingName(heads)}`);
    const { events = [] } = historyFromJSON(JSON.parse(historyToJSON(await handle.fetchHistory())));
    const type = new Map(
      events!.map(e => [String(e.eventId), e.activityTaskScheduledEventAttributes?.activityType?.name]),
    );
    for (const { activityTaskCompletedEventAttributes: done, eventTime } of events!) {
      if (done && type.get(String(done.scheduledEventId)) === 'trainSegment')
        ends.push({ split, at: BigInt(String(eventTime!.seconds)) * 1_000_000_000n + BigInt(eventTime!.nanos ?? 0) });
    }
  }
  return ends.sort((a, b) => (a.at < b.at ? -1 : 1)).map(({ split }) => split);
}

describe('one slot', () => {
  beforeAll(() => setUp({ slots: 1 }));
  afterAll(() => world.close());

  test('for four splits: after any time their finished segments differ by at most one', async () => {
    await trainAll('one');
    const ends = await endsOf('one');
    expect(ends).toHaveLength(12);
    const finished = SPLITS.map(() => 0);
    for (const split of ends) {
      finished[split]!++;
      expect(Math.max(...finished) - Math.min(...finished), ends.join()).toBeLessThanOrEqual(1);
    }
  });

  test('a dealer that is not there holds nobody up', async () => {
    const longer = tinyInput({ epochs: 2, segmentsPerEpoch: 3 });
    const result = await world.train('alone', longer, { turns: 'alone/turns' });
    expect(result.splits[0]).toMatchObject({ epoch: 2 });
  });
});

describe('four slots', () => {
  let begun = 0;
  // No segment gets its Caffe before four segments have asked for one.
  const caffe = async () => {
    if (Context.current().info.activityType === 'trainSegment') {
      begun++;
      await eventually('four segments at once', 40, () => begun >= SPLITS.length);
    }
    return testCaffe();
  };
  beforeAll(() => setUp({ slots: 4, caffe }));
  afterAll(() => world.close());

  test('train four splits at once', async () => {
    await trainAll('four');
    expect(begun).toBe(12);
  });
});
