/** Whoever is killed is missed by its heartbeats: every activity of every worker has them, however short it is. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDownloadActivities } from '../../activities/download/index.ts';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { cpuActivities } from '../../workers/cpu-activities.ts';
import { type TestServices, testServices } from '../support/services.ts';

type Activity = (args: unknown) => Promise<unknown>;

let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(() => services.close());

test.each([
  ['cpu', cpuActivities],
  ['download', createDownloadActivities],
  ['gpu', createTrainingActivities],
])('each activity of the queue of a %s worker beats from its first moment', async (_, activitiesOf) => {
  const activities = Object.entries(activitiesOf(services) as Record<string, Activity>);
  expect(activities.length).toBeGreaterThan(1);
  const silent: string[] = [];
  for (const [name, activity] of activities) {
    const environment = new MockActivityEnvironment({}, { logger: new DefaultLogger('ERROR') });
    let beats = 0;
    environment.on('heartbeat', () => beats++);
    // Without arguments none comes far.
    await environment.run(activity, {}).catch(() => {});
    if (beats === 0) silent.push(name);
  }
  expect(silent).toEqual([]);
});
