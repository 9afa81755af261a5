/** What is logged says whose work it was about. */
import { Context } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, test } from 'vitest';
import { noteWhose } from '../../activities/metrics.ts';
import { createLogger, temporalLogger } from '../../workers/telemetry.ts';

function logger() {
  const lines: object[] = [];
  return { log: createLogger('gpu', {}, { write: line => lines.push(JSON.parse(line)) }), lines };
}

const inStage = (workflowId: string) =>
  new MockActivityEnvironment({
    ...{ attempt: 3, activityType: 'trainSegment', workflowType: 'trainNetwork' },
    workflowExecution: { workflowId, runId: 'r' },
  });

test('in an activity: run and split by the ids of the pipeline', async () => {
  const { log, lines } = logger();
  await inStage('dr/2026/train-01-vs-234').run(async () => log.info({ n: 1 }, 'within'));
  log.info('outside');
  expect(lines).toEqual([
    expect.objectContaining({ run: 'dr/2026', split: '01-vs-234', activity: 'trainSegment', attempt: 3, n: 1 }),
    expect.not.objectContaining({ run: expect.anything() }),
  ]);
});

test('in a stage that was started on its own: by the arguments', async () => {
  const { log, lines } = logger();
  await inStage('by-hand').run(async () => {
    noteWhose(Context.current(), [{ run: 'dr', name: 'train-four-heads' }]);
    log.info('within');
  });
  expect(lines).toEqual([expect.objectContaining({ run: 'dr', split: 'four-heads' })]);
});

test('the names of databases are no splits', async () => {
  const { log, lines } = logger();
  await inStage('dr/label').run(async () => {
    noteWhose(Context.current(), [{ run: 'dr', name: 'train-00' }]);
    log.info('within');
  });
  expect(lines).toEqual([expect.not.objectContaining({ split: expect.anything() })]);
});

test('what the SDK says of a workflow', () => {
  const { log, lines } = logger();
  const sdk = temporalLogger(log);
  sdk.warn('late', { workflowType: 'trainNetwork', workflowId: 'dr/train-012-vs-34' });
  sdk.warn('late', { workflowType: 'retinopathyPipeline', workflowId: 'dr/2026' });
  sdk.warn('none');
  expect(lines).toEqual([
    expect.objectContaining({ run: 'dr', split: '012-vs-34', msg: 'late', level: 40 }),
    expect.objectContaining({ run: 'dr/2026' }),
    expect.not.objectContaining({ run: expect.anything() }),
  ]);
});
