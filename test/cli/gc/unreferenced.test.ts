/** What no run refers to, decided on made-up stores: exactly that goes, whatever the runs share. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Inventory, type RunInStore, unreferenced } from '../../../cli/gc/unreferenced.ts';
import { resolveInput } from '../../../config/resolve.ts';
import type { Manifest, StageFolder } from '../../../storage/manifest.ts';

const OLD = 1_000;
const YOUNG = 3_000;
const options = { before: 2_000, forget: new Set<string>() };
const object = (key: string, modified = OLD, size = 10) => ({ key, modified, size });
const manifest = (over: Partial<Manifest>) => ({ inputs: {}, outputs: {}, counts: {}, ...over }) as Manifest;
const output = (key: string) => ({ key, size: 10, crc32c: 0 });

const nothing: Inventory = { objects: [], runs: [], manifests: new Map(), trained: new Map() };

const STAGES = ['download', 'prepare', 'label'] as const;
const run = (name: string, over: Partial<RunInStore> = {}): RunInStore => ({
  ...{ folder: `runs/${name}/`, run: name, input: resolveInput({ until: 'label' }), opened: [] },
  ...over,
});

/** Up to four runs over three keys a stage; each stage has a manifest and a file, each download a part in `archives/`. */
/** Objects of a downloaded part: the list of its chunks, a chunk, and its record. */
const partOf = (n?: number) =>
  ['part/chunks.json', 'part/00000-00000000', 'part.json'].map(name => `archives/a${n}/train.zip.001/v1/${name}`) as [
    string,
    string,
    string,
  ];

const stores = fc
  .array(
    fc.record({
      picks: fc.tuple(...STAGES.map(() => fc.nat({ max: 2 }))),
      finished: fc.boolean(),
      forgotten: fc.boolean(),
      retention: fc.record({ archives: fc.boolean(), images: fc.boolean(), databases: fc.boolean() }),
    }),
    { maxLength: 4 },
  )
  .map(drawn => {
    const places = STAGES.flatMap(stage => [0, 1, 2].map(key => `stages/${stage}/${key}/`));
    const archives = [0, 1, 2].flatMap(partOf);
    const runs = drawn.map(({ picks, finished, retention }, n) =>
      run(`r${n}`, {
        input: resolveInput({ until: 'label', retention }),
        opened: STAGES.map((stage, s) => ({
          name: stage,
          stage,
          key: String(picks[s]),
          finished: finished || s < 2,
          inputs: {},
        })),
      }),
    );
    const inventory: Inventory = {
      objects: [
        ...places.flatMap(place => [object(`${place}data`), object(`${place}manifest.json`)]),
        ...archives.map(key => object(key)),
        ...runs.map(({ folder }) => object(`${folder}run.json`)),
      ],
      runs,
      trained: new Map(),
      manifests: new Map(
        [0, 1, 2].map(n => [`stages/download/${n}/`, manifest({ outputs: { part: output(partOf(n)[0]) } })]),
      ),
    };
    return { drawn, inventory, forget: new Set(runs.flatMap(({ run }, n) => (drawn[n]!.forgotten ? [run] : []))) };
  });

describe('what no run refers to', () => {
  test('goes, and nothing else', () => {
    fc.assert(
      fc.property(stores, ({ drawn, inventory, forget }) => {
        const { leftovers, kept, young } = unreferenced(inventory, { ...options, forget });
        const gone = leftovers.flatMap(({ keys }) => keys);
        const needed = new Set<string>();
        for (const [n, { picks, finished, forgotten, retention }] of drawn.entries()) {
          if (forgotten) continue;
          needed.add(`runs/r${n}/run.json`);
          const [download, prepare, label] = picks;
          const add = (keep: boolean, ...keys: string[]) => (keep || !finished ? keys.map(key => needed.add(key)) : []);
          const stage = (name: string, key?: number) => [
            `stages/${name}/${key}/data`,
            `stages/${name}/${key}/manifest.json`,
          ];
          add(retention.archives, ...stage('download', download), ...partOf(download));
          add(retention.images, ...stage('prepare', prepare));
          add(retention.databases, ...stage('label', label));
        }
        const all = inventory.objects.map(({ key }) => key);
        expect(gone.sort()).toEqual(all.filter(key => !needed.has(key)).sort());
        expect(leftovers.reduce((sum, { bytes }) => sum + bytes, 0) + kept.bytes).toBe(10 * all.length);
        expect(young.objects).toBe(0);
      }),
    );
  });

  test('stays as long as any of it is young, and what a young run refers to stays whatever it keeps', () => {
    const objects = [object('stages/prepare/a/data'), object('stages/prepare/a/manifest.json', YOUNG)];
    expect(unreferenced({ ...nothing, objects }, options)).toMatchObject({
      leftovers: [],
      young: { objects: 2, bytes: 20 },
    });
    const opened = [{ name: 'label', stage: 'label' as StageFolder, key: 'k', finished: true, inputs: {} }];
    const input = resolveInput({ until: 'label', retention: { databases: false } });
    for (const [modified, gone] of [
      [YOUNG, 0],
      [OLD, 1],
    ] as const) {
      const objects = [object('stages/label/k/manifest.json'), object('runs/r/run.json', modified)];
      const { leftovers, unfinished } = unreferenced(
        { ...nothing, objects, runs: [run('r', { opened, input })] },
        options,
      );
      expect([leftovers.length, unfinished.length]).toEqual([gone, 1 - gone]);
    }
  });

  test('is nothing of the archives while a run may be downloading', () => {
    const opened = [{ name: 'download', stage: 'download' as StageFolder, key: 'k', finished: false, inputs: {} }];
    const objects = [object('archives/x/train.zip.001/v1/part/00000-00000000'), object('runs/r/run.json')];
    const { leftovers, unfinished } = unreferenced({ ...nothing, objects, runs: [run('r', { opened })] }, options);
    expect([leftovers, unfinished]).toEqual([[], ['r']]);
  });
});

describe('segments', () => {
  /** Four segments in a chain, two an epoch; a pair each, the best epoch is the first; and one of another chain. */
  const chain = ['s0', 's1', 's2', 's3', 'other'].map((key, n) => {
    const place = `stages/segment/${key}/`;
    const files = { model: output(`${place}won/net.caffemodel`), curve: output(`${place}won/curve.json`) };
    const counts = { segment: n, epoch: Math.floor(n / 2) + 1 };
    const inputs = { label: `stages/label/${key === 'other' ? 'another' : 'l'}` };
    return [place, manifest({ inputs, counts, outputs: files })] as const;
  });
  const manifests = new Map(chain);
  const whole = new Map([['stages/train/t/', { segments: ['s0', 's1', 's2', 's3'], best: 's1' }]]);
  const objects = [
    ...chain.flatMap(([place]) =>
      ['manifest.json', 'won/net.caffemodel', 'won/curve.json', 'lost/net.caffemodel', 'evaluation-0.json'].map(file =>
        object(place + file),
      ),
    ),
    object('runs/r/run.json'),
  ];
  const goneOf = (snapshots: 'resumable' | 'best' | 'none', finished = true) => {
    const name = 'train-four-heads';
    const input = resolveInput({ until: 'train', retention: { snapshots }, training: { layout: 'four-heads' } });
    const opened = [{ name, stage: 'train' as StageFolder, key: 't', finished, inputs: { label: 'l' } }];
    const runs = [run('r', { input, opened })];
    return unreferenced({ objects, runs, manifests, trained: finished ? whole : new Map() }, options)
      .leftovers.flatMap(({ keys }) => keys)
      .sort();
  };
  const strays = ['s0', 's1', 's2', 's3'].map(key => `stages/segment/${key}/lost/net.caffemodel`);
  const other = objects.flatMap(({ key }) => (key.includes('/other/') ? [key] : []));
  const pairs = (...keys: string[]) => keys.map(key => `stages/segment/${key}/won/net.caffemodel`);

  test.each([
    ['resumable', []],
    ['best', pairs('s0', 's2', 's3')],
    ['none', pairs('s0', 's1', 's2', 's3')],
  ] as const)(
    'of a training that keeps its snapshots %s: its chain stays, with these pairs and without strays',
    (snapshots, gone) => {
      expect(goneOf(snapshots)).toEqual([...strays, ...other, ...gone].sort());
    },
  );

  test('of a training under way: all that were trained on its databases stay, without strays', () => {
    expect(goneOf('none', false)).toEqual([...strays, ...other].sort());
  });
});
