/**
 * Damage to stored objects between two runs: whoever reads one gets the same as before, or one line; a run makes again what is corrupt.
 * One small run on a real server with real Caffe leaves the objects of every kind.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { DefaultLogger, Runtime } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parsePredictions } from '../../activities/regression/tables.ts';
import { faultOf, readReportFile } from '../../activities/run/report-files.ts';
import { type Embedded, startEmbedded } from '../../cli/local/local-cluster.ts';
import { openExecution, resultOf, storedOf } from '../../cli/local/pipeline-client.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { type OutFolder, openOutFolder } from '../../cli/local/run-dir.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { resolveInput } from '../../config/resolve.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { PipelineResult } from '../../workflows/retinopathy-pipeline.ts';
import { retinopathy } from '../support/command.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { TINY } from '../support/tiny.ts';
import { DAMAGES, damage, KINDS, UNNOTICED } from './damage.ts';
import { outcome, type Reader, readersOf } from './readers.ts';

const LONG = Boolean(process.env.RETINOPATHY_LONG);
const FLIPS = LONG ? 20 : 2;
/** Runs over each kind in each way take ten minutes; RETINOPATHY_LONG=all makes them. Otherwise the ways take turns. */
const WAYS = (n: number) => (process.env.RETINOPATHY_LONG === 'all' ? DAMAGES : [DAMAGES[n % DAMAGES.length]!]);
const RUN = 'whole';
const INPUT = {
  ...TINY,
  images: { ...TINY.images, keepOriginals: true },
  training: { ...TINY.training, layout: 'four-heads', epochs: 1 },
} as const;

let services: TestServices;
let out: OutFolder;
let embedded: Embedded;
let client: Client;
let root: string;

beforeAll(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  services = await testServices();
  root = join(services.folder, 'store');
  out = await openOutFolder(join(services.folder, 'out'));
  embedded = await startEmbedded({
    temporal: (await findTemporalCli({ env: process.env })).path,
    out,
    port: await choosePort(undefined, 0, '--port'),
    uiPort: await choosePort(undefined, 0, '--ui-port'),
    store: services.store.url,
  });
  client = embedded.client;
  await embedded.startWorkers(['workflow', 'cpu', 'gpu']);
  await pipeline(RUN, {});
}, 300_000);

afterAll(async () => {
  await embedded?.stop();
  out?.release();
  await services?.close();
});

/** Runs the pipeline to its end, as `npm start` does. */
async function pipeline(run: string, over: PartialPipelineInput): Promise<{ how: string; result: PipelineResult }> {
  const input = resolveInput({ ...INPUT, ...over } as PartialPipelineInput);
  const plan = { run, input, store: services.store.url, code: 'the same each time' };
  const stored = await storedOf(services.store, run);
  const { handle, how } = await openExecution(client, plan, stored, () => faultOf(services.store, run));
  return { how, result: await resultOf(handle) };
}

/** Keys in the store that fit, in their order. */
async function keysLike(pattern: RegExp): Promise<[string, ...string[]]> {
  const keys: string[] = [];
  for await (const { key } of services.store.list('')) if (pattern.test(key)) keys.push(key);
  if (keys.length === 0) throw new Error(`Expected an object like ${pattern}, got none`);
  return keys as [string, ...string[]];
}

/** Names and checksums of what a stage of a run has written. */
async function outputsOf({ stages }: PipelineResult, stage: string): Promise<Manifest['outputs']> {
  return (await needManifest(services.store, `stages/${stage}/${stages[stage]}`)).outputs;
}

/** Forgets a stage, so that the next run makes it again. */
async function forget(...folders: string[]): Promise<void> {
  for (const folder of folders) await rm(join(root, folder), { recursive: true });
}

/** What a run has come to: without its name, and what it has cost. */
async function figuresOf(run: string): Promise<unknown> {
  const {
    run: _,
    work,
    ...metrics
  } = JSON.parse((await readReportFile(services.store, run, 'metrics.json'))!.toString());
  return [metrics, (await readReportFile(services.store, run, 'predictions.csv'))!.toString()];
}

describe('whoever reads a damaged object', () => {
  let readers: Record<string, Reader>;
  const whole: Record<string, unknown> = {};
  const rows: string[][] = [];

  beforeAll(async () => {
    const csv = (await readReportFile(services.store, RUN, 'predictions.csv'))!;
    const { image } = parsePredictions(csv).find(({ fold }) => fold === 'test')!;
    readers = readersOf(services, RUN, image);
    for (const [name, reader] of Object.entries(readers)) {
      await outcome(async folder => (whole[name] = await reader(folder)), services.folder, undefined);
      expect([name, await outcome(reader, services.folder, whole[name])]).toEqual([name, 'same']);
    }
  }, 120_000);

  test.each(KINDS)(
    '%s: gets the same, or one line that names it',
    async (kind, pattern, by) => {
      const [key] = await keysLike(pattern);
      const row = [kind];
      for (const how of DAMAGES) {
        const unnoticed = UNNOTICED[kind]?.includes(how) ?? false;
        const found = new Set<string>();
        for (let seed = 0; seed < (how === 'flip' ? FLIPS : 1); seed++) {
          const restore = await damage(root, key, how, seed);
          try {
            for (const name of by) {
              const said = await outcome(readers[name]!, services.folder, whole[name]);
              found.add(said === 'same' ? 'same' : said === 'OTHER FIGURES' ? 'left out' : 'one line');
              if (said === 'same' || (how === 'gone' && unnoticed)) continue;
              expect(said, `${name} of ${how} ${kind}`).toMatch(
                /^(CorruptObject|ApplicationFailure|UnusableRun|Error): Expected [^\n]*$/,
              );
            }
          } finally {
            await restore();
          }
        }
        row.push([...found].sort().reverse().join(' or ') || 'nobody reads it');
        if (by.length > 0 && !unnoticed) expect([how, ...found]).toContain('one line');
      }
      rows.push(row);
    },
    300_000,
  );

  afterAll(() => {
    const table = [['object', ...DAMAGES], ...rows].map(row => `| ${row.join(' | ')} |`);
    process.stdout.write(`${table.join('\n')}\n`);
  });
});

describe('a run over damaged objects comes to the same', () => {
  test('where scores and folds are damaged that another regression reads', async () => {
    const ridge = { regression: { ridge: 0.3 } } as const;
    const { result } = await pipeline('ridge', ridge);
    await forget(`stages/regress/${result.stages.regress}`);
    await damage(root, (await keysLike(/scores\.csv$/))[0], 'cut');
    await damage(root, (await keysLike(/folds\.csv$/))[0], 'flip');
    expect((await pipeline('ridge-again', ridge)).result.stages).toEqual(result.stages);
    expect(await figuresOf('ridge-again')).toEqual(await figuresOf('ridge'));
  }, 180_000);

  test('where a bit of a part has flipped, and the labels are gone, that other pictures are made of', async () => {
    const other = { images: { ...INPUT.images, fuzz: 0.04 }, until: 'prepare' } as const;
    const { result } = await pipeline('fuzz', other);
    const outputs = await outputsOf(result, 'prepare');
    await forget(`stages/prepare/${result.stages.prepare}`);
    const [labels] = await keysLike(/^archives\/.*labels\.csv$/);
    await damage(root, (await keysLike(/^archives\/.*\/train\.zip\.002\/.*\/00000-\w{8}$/))[0], 'flip');
    await damage(root, labels, 'gone');
    const again = (await pipeline('fuzz-again', other)).result;
    expect(again.stages).toEqual(result.stages);
    expect(await outputsOf(again, 'prepare')).toEqual(outputs);
  }, 180_000);

  test('where databases, their copies on the worker and the mean picture are damaged that a network trains on', async () => {
    const before = await figuresOf(RUN);
    await forget('stages/train', 'stages/segment', 'stages/regress');
    await damage(root, (await keysLike(/train-00\.mdb$/))[0], 'flip');
    await damage(root, (await keysLike(/mean\.binaryproto$/))[0], 'flip');
    // A worker reads a copy once in its life.
    await embedded.stopWorkers(['gpu']);
    const copies = await readdir(out.path, { recursive: true });
    for (const copy of copies.filter(name => /(^|\/)[0-9a-f]{8}-\d+-[0-9a-f]{16}$/.test(name))) {
      await damage(out.path, copy, 'flip');
    }
    await embedded.startWorkers(['gpu']);
    await pipeline('trained-again', {});
    expect(await figuresOf('trained-again')).toEqual(before);
  }, 240_000);

  test('where made-up eyes are damaged that are downloaded again', async () => {
    const result = (await pipeline('drawn', {})).result;
    const outputs = await outputsOf(result, 'download');
    await forget('archives', `stages/download/${result.stages.download}`);
    await damage(root, (await keysLike(/^stages\/synthetic\/.*\.zip\.003\.zip$/))[0], 'flip');
    const again = (await pipeline('drawn-again', {})).result;
    expect(again.stages).toEqual(result.stages);
    expect(await outputsOf(again, 'download')).toEqual(outputs);
  }, 180_000);

  test('where the manifests of its stages are damaged', async () => {
    const result = (await pipeline('manifests', {})).result;
    for (const [n, stage] of ['download', 'prepare', 'label', 'train', 'regress'].entries()) {
      await damage(root, (await keysLike(new RegExp(`^stages/${stage}/.*manifest\\.json$`)))[0], DAMAGES[n % 3]!);
    }
    expect((await pipeline('manifests-again', {})).result.stages).toEqual(result.stages);
    expect(await figuresOf('manifests-again')).toEqual(await figuresOf('manifests'));
  }, 180_000);

  test('where a command has said so, and the run is started again', async () => {
    // What was damaged above was discarded for every run that refers to it.
    await pipeline(RUN, {});
    const before = await figuresOf(RUN);
    const { image } = parsePredictions((await readReportFile(services.store, RUN, 'predictions.csv'))!)[0]!;
    const explained = async () => {
      const command = retinopathy(['explain', image, '--run', RUN, '--store', services.store.url]);
      const { code } = await command.exited;
      return { code, said: command.output().trim() };
    };
    await damage(root, (await keysLike(/folds\.csv$/))[0], 'cut');
    expect((await pipeline(RUN, {})).how).toBe('finished');
    expect(await explained()).toEqual({
      code: 1,
      said: expect.stringMatching(
        /^retinopathy: Expected stages\/label\/\w+\/folds\.csv in file:\S+ to have \d+ bytes of CRC-32C \w+, got .*: start the run again, which makes it again$/,
      ),
    });
    expect((await pipeline(RUN, {})).how).toBe('started');
    expect(await explained()).toMatchObject({ code: 0, said: expect.stringContaining(image) });

    for (const [n, name] of ['metrics.json', 'report.html', 'predictions.csv'].entries()) {
      await damage(root, `runs/${RUN}/report/${name}`, DAMAGES[n]!);
      expect((await pipeline(RUN, {})).how).toBe('started');
      expect(await figuresOf(RUN)).toEqual(before);
      expect((await pipeline(RUN, {})).how).toBe('finished');
    }
  }, 240_000);

  test.runIf(LONG).each(KINDS.map(([kind, pattern], n) => [kind, pattern, WAYS(n)] as const))(
    '%s: whatever happens to it, at the second start at the latest',
    async (kind, pattern, ways) => {
      const before = await figuresOf(RUN);
      for (const how of ways) {
        const run = `long-${kind.replaceAll(/\W/g, '-')}-${how}`;
        await damage(root, (await keysLike(pattern))[0], how);
        const first = await pipeline(run, {}).catch((error: Error) => error.message);
        if (typeof first === 'string') expect(first).toMatch(/^Expected [^\n]*$/);
        await pipeline(run, {});
        expect([run, await figuresOf(run)]).toEqual([run, before]);
      }
    },
    600_000,
  );
});
