/** Search attributes on a real server: a worker that is asked to adds what the namespace lacks, and refuses what it cannot use. */
import { msToTs } from '@temporalio/common/lib/time.js';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { wantsSearchAttributes } from '../../activities/run/index.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { needSearchAttributes } from '../../workers/search-attributes.ts';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  const { path } = await findTemporalCli({ env: process.env });
  environment = await TestWorkflowEnvironment.createLocal({ server: { executable: { type: 'existing-path', path } } });
});
afterAll(() => environment?.teardown());

/** A namespace of its own, with these. */
async function namespaceWith(name: string, searchAttributes: Record<string, number> = {}): Promise<string> {
  const { workflowService, operatorService } = environment.nativeConnection;
  await workflowService.registerNamespace({ namespace: name, workflowExecutionRetentionPeriod: msToTs('1 day') });
  if (Object.keys(searchAttributes).length > 0)
    await operatorService.addSearchAttributes({ namespace: name, searchAttributes });
  return name;
}

const attributesOf = async (namespace: string) =>
  (await environment.nativeConnection.operatorService.listSearchAttributes({ namespace })).customAttributes ?? {};

describe('the search attributes of a namespace', () => {
  test('are added where they are missing, by several workers at once, and again nothing is done', async () => {
    const namespace = await namespaceWith('bare', { RetinopathyStage: 2 });
    await Promise.all([1, 2, 3].map(() => needSearchAttributes(environment.nativeConnection, namespace)));
    const wanted = {
      ...{ RetinopathySource: 2, RetinopathyStage: 2 },
      ...{ RetinopathyQwk: 4, RetinopathyReferableAuc: 4 },
    };
    expect(await attributesOf(namespace)).toMatchObject(wanted);
    await needSearchAttributes(environment.nativeConnection, namespace);
    expect(await attributesOf(namespace)).toMatchObject(wanted);
  });

  test('of another type are refused, and nothing is changed', async () => {
    const namespace = await namespaceWith('typed', { RetinopathyQwk: 3 });
    const before = await attributesOf(namespace);
    await expect(needSearchAttributes(environment.nativeConnection, namespace)).rejects.toThrow(
      /^Expected the search attribute RetinopathyQwk of namespace typed to be of type Double, got another: /,
    );
    expect(await attributesOf(namespace)).toEqual(before);
  });

  test('that cannot be added are named with the command that adds them', async () => {
    const namespace = await namespaceWith('closed');
    const { operatorService } = environment.nativeConnection;
    const closed = Object.assign(Object.create(operatorService), {
      addSearchAttributes: () => Promise.reject(new Error('7 PERMISSION_DENIED: Request unauthorized.')),
    }) as typeof operatorService;
    await expect(needSearchAttributes({ operatorService: closed }, namespace)).rejects.toThrow(
      /got: 7 PERMISSION_DENIED: Request unauthorized\.\. Add them by `temporal operator search-attribute create --name RetinopathySource --type Keyword /,
    );
  });
});

test('the setting is 1, 0 or nothing', () => {
  expect(
    ['1', '0', '', undefined].map(value => wantsSearchAttributes({ RETINOPATHY_SEARCH_ATTRIBUTES: value })),
  ).toEqual([true, false, false, false]);
  expect(() => wantsSearchAttributes({ RETINOPATHY_SEARCH_ATTRIBUTES: 'yes' })).toThrow(
    'Expected RETINOPATHY_SEARCH_ATTRIBUTES to be 1 or 0, got `yes`',
  );
});
