/** Whatever is said to a workflow, no workflow task fails: the server would repeat it without end, and the run would hang for good. */
import type { Client, WorkflowHandle } from '@temporalio/client';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveInput } from '../../config/resolve.ts';
import { layoutsOf } from '../../config/training.ts';
import { TASK_QUEUE, trainingName } from '../../workflows/ids.ts';
import type { SplitProgress } from '../../workflows/progress.ts';
import { caughtUp, failureOf, startWorld, type World } from './world.ts';

/** Messages of each kind, and arguments of each workflow. The seed is fixed: what fails here fails again. */
const MESSAGES = 40;
const STARTS = 12;
const SEED = 1;
const input = resolveInput({ budget: { perGpuHour: 1, limit: 1 } });
const trainings = Object.fromEntries(layoutsOf(input.training).map(heads => [trainingName(heads), 'd']));
const upstream = { download: 'a', prepare: 'b', label: 'c', ...trainings };

const split: SplitProgress = {
  ...{ k: 1, name: 'train-01-vs-234', epoch: 1, epochs: 2, iteration: 3, iterations: 4, loss: 0.5, accuracy: 0.5 },
  ...{ auc: 0.5, bestAuc: 0.5, bestEpoch: 1, segmentsTrained: 1, segmentsReused: 0 },
  lost: { attempts: 1, iterations: 2, seconds: 3 },
  curve: [{ epoch: 1, loss: 0.5, validationLoss: 0.5, auc: 0.5, trainingAuc: null }],
};
const stage = { kind: 'stage', stage: 'download', progress: { of: 7, done: 1, reason: 'why', counts: { parts: 1 } } };
const steering = [[{ kind: 'pause' }], [{ kind: 'stopEarly', split: 0 }], [{ kind: 'extend', epochs: 2, rate: 0.1 }]];

/** Of each workflow an argument, and of each signal and update arguments, that fit: rubbish is made of them too. */
const WORKFLOWS: Record<string, { args: unknown[]; signals: Record<string, unknown[][]>; updates?: string[] }> = {
  retinopathyPipeline: {
    args: [{ source: 'synthetic' }],
    signals: {
      ...{ pause: [[]], resume: [[]], stopEarly: [[], [1]], extend: [[1], [1, 0.1]], raiseBudget: [[7]] },
      stageProgress: [[stage], [{ kind: 'splits', name: split.name, splits: [split], cost: { spent: 1, next: 2 } }]],
      retrying: [[{ id: 'r/download 1', activity: 'listFiles', attempts: 2, since: 1, reason: 'why' }]],
    },
    updates: ['pause', 'resume', 'stopEarly', 'extend', 'raiseBudget'],
  },
  downloadArchive: { args: [{ run: 'r', input, upstream: {} }], signals: { steering } },
  prepareImages: { args: [{ run: 'r', input, upstream }], signals: { steering } },
  labelSplits: { args: [{ run: 'r', input, upstream }], signals: { steering } },
  trainNetwork: {
    args: [{ run: 'r', input, upstream, heads: [1], budgeted: true }],
    signals: { steering: [...steering, [{ kind: 'counted' }]] },
  },
  regressStage: {
    args: [
      {
        ...{ run: 'r', input, upstream },
        account: {
          work: { stages: [{ name: 'train', seconds: 1, reused: false }] },
          images: { seen: 1, quarantined: 0 },
        },
      },
    ],
    signals: { steering },
  },
  scoreArchive: {
    args: [{ run: 'r', archive: { name: 'test.zip', parts: 2 }, source: 'synthetic', maxQuarantined: 0.1 }],
    signals: { stageProgress: [[stage]] },
  },
};

const anything = fc.jsonValue({ maxDepth: 2 });
const texts = fc.constantFrom('x'.repeat(100_000), '__proto__', 'constructor', 'two\nlines', '');
const numbers = fc.constantFrom(1e15, 1e300, -1, 0.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY);
const rubbish = fc.oneof(anything, texts, numbers);

/** Something that fits, with rubbish in one place of it; or rubbish alone. */
function nearly(fitting: readonly unknown[][]): fc.Arbitrary<unknown[]> {
  const spoilt = fc
    .tuple(fc.constantFrom(...fitting), fc.nat(), rubbish)
    .map(([args, at, instead]) => spoil(args, at, instead) as unknown[]);
  return fc.oneof(spoilt, fc.array(rubbish, { minLength: 1, maxLength: 3 }));
}

/** Puts `instead` in the place number `at` of a value. */
function spoil(value: unknown, at: number, instead: unknown): unknown {
  const places: (() => unknown)[] = [];
  const visit = (part: unknown, put: (changed: unknown) => unknown) => {
    if (typeof part !== 'object' || part === null) return;
    for (const key of Object.keys(part)) {
      const change = (changed: unknown) =>
        put(Array.isArray(part) ? part.with(Number(key), changed) : { ...part, [key]: changed });
      places.push(() => change(instead));
      visit((part as Record<string, unknown>)[key], change);
    }
  };
  visit(value, changed => changed);
  return places.length === 0 ? [instead] : places[at % places.length]!();
}

let world: World;
let client: Client;

beforeAll(async () => {
  world = await startWorld();
  client = world.environment.client;
});

afterAll(() => world?.close());

/** `FORCE_CLOSE_COMMAND`: the server ends a task by itself while too many signals wait for it, and begins another. */
const TOO_MANY_SIGNALS = 17;

async function failedTasks(handle: WorkflowHandle): Promise<string[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) =>
    failed && failed.cause !== TOO_MANY_SIGNALS ? [`${failed.cause} ${failed.failure?.message}`] : [],
  );
}

/** Payloads of encodings that nobody here reads, and of broken JSON. */
const UNREADABLE = ['binary/of-others', 'json/plain'].map(encoding => ({
  payloads: [{ metadata: { encoding: Buffer.from(encoding) }, data: Buffer.from('{') }],
}));

async function signalUnreadable({ workflowId }: WorkflowHandle, names: readonly string[]): Promise<void> {
  const { namespace } = client.options;
  for (const signalName of names)
    for (const input of UNREADABLE)
      await client.workflowService.signalWorkflowExecution({
        ...{ namespace, signalName, input, workflowExecution: { workflowId } },
      });
}

async function startUnreadable(type: string): Promise<WorkflowHandle[]> {
  const { namespace } = client.options;
  return Promise.all(
    UNREADABLE.map(async (input, n) => {
      const workflowId = `unreadable-${type}-${n}`;
      await client.workflowService.startWorkflowExecution({
        ...{ namespace, workflowId, input, requestId: workflowId },
        ...{ workflowType: { name: type }, taskQueue: { name: TASK_QUEUE } },
      });
      return client.workflow.getHandle(workflowId);
    }),
  );
}

describe.each(Object.entries(WORKFLOWS))('%s', (type, { args, signals, updates = [] }) => {
  test('goes on after signals, updates and queries that do not fit', async () => {
    const handle = await world.start(type, `hears-${type}`, args);
    for (const [name, fitting] of Object.entries(signals)) {
      const sent = fc.sample(nearly(fitting), { numRuns: MESSAGES, seed: SEED });
      await Promise.all(sent.map(given => handle.signal(name, ...given)));
    }
    await signalUnreadable(handle, Object.keys(signals));
    for (const name of updates) {
      const sent = fc.sample(nearly(signals[name]!), { numRuns: MESSAGES / 4, seed: SEED });
      // One that happens to fit is answered.
      const update = (args: unknown[]) => handle.executeUpdate(name, { args } as object);
      await Promise.all(sent.map(given => update(given).catch(() => {})));
    }
    for (const given of fc.sample(rubbish, { numRuns: MESSAGES / 8, seed: SEED }))
      await handle.query('progress', given).catch(() => {});
    await caughtUp(handle);
    expect(await failedTasks(handle)).toEqual([]);
    expect((await handle.describe()).status.name).toBe('RUNNING');
    await handle.terminate();
  });

  test('started with arguments that do not fit it fails for good, in one line', async () => {
    const started = fc
      .sample(nearly([args]), { numRuns: STARTS, seed: SEED })
      .map((args, n) => world.start(type, `begins-${type}-${n}`, args));
    const handles = [...(await Promise.all(started)), ...(await startUnreadable(type))];
    const outcomes = await Promise.all(
      handles.map(async handle => {
        await caughtUp(handle);
        expect(await failedTasks(handle)).toEqual([]);
        if ((await handle.describe()).status.name === 'RUNNING') {
          await handle.terminate();
          return undefined;
        }
        return failureOf(handle);
      }),
    );
    const said = outcomes.filter(message => message !== undefined);
    // An argument that is rubbish in a place that does not matter begins.
    expect(said.length).toBeGreaterThan(STARTS / 3);
    for (const message of said) {
      // An input has a line for each thing that is wrong with it.
      for (const line of message.split('\n')) expect(line).toMatch(/^Expected .*$/);
    }
  });
});
