/** Finds what an explanation says again, by other ways than it took. */
import { crc32, inflateRawSync } from 'node:zlib';
import { expect } from 'vitest';
import { preparePicture } from '../../activities/images/prepare-picture.ts';
import { parseCurves } from '../../activities/regression/tables.ts';
import type { Metrics } from '../../activities/report/types.ts';
import { readRecord } from '../../activities/run/records.ts';
import { splitName } from '../../config/grades.ts';
import type { Explanation, SplitEpochs } from '../../inference/explain/explain-eye.ts';
import type { EyesWay } from '../../inference/explain/lineage.ts';
import { openArtifact } from '../../storage/artifacts.ts';
import type { ArtifactStore } from '../../storage/store.ts';

/** What `retinopathy explain --json` prints. */
export interface Explained extends EyesWay, Pick<Explanation, 'run' | 'splits' | 'final'> {
  occlusion: { maps: { k: number; p: number; largestFall: number; largestRise: number }[] } | null;
}

export async function expectInArtifacts(
  { store, run }: { store: ArtifactStore; run: string },
  image: string,
  said: Explained,
): Promise<void> {
  const { input, stages } = (await readRecord(store, run))!;
  const prefix = (name: string) => `stages/${stages[name]!.stage}/${stages[name]!.key}`;
  const text = async (key: string) => (await store.get(key)).toString();

  const { archive, photograph, shard } = said;
  const pieces = archive.parts.map(async ({ key, offset, length }) =>
    (await openArtifact(store, { key }))(offset, length),
  );
  const bytes = Buffer.concat(await Promise.all(pieces));
  expect(bytes.length).toBe(archive.length);
  expect(bytes.toString('latin1', 0, 4)).toBe('PK\u0003\u0004');
  expect(bytes.toString('utf8', 30, 30 + bytes.readUInt16LE(26))).toBe(archive.entry);
  const jpeg = inflateRawSync(bytes.subarray(bytes.length - archive.compressedSize));
  expect(jpeg.length).toBe(archive.size);
  expect([crc32(jpeg).toString(16).padStart(8, '0'), true]).toEqual([archive.crc32, archive.crcHolds]);

  const prepared = await preparePicture(jpeg, input.images);
  const { width, height, crop, hash } = prepared;
  expect(photograph).toEqual({ width, height, crop, hash });
  for (const { version, bytes } of prepared.pngs) {
    const { offset, size } = shard.versions[version]!;
    expect((await store.get(shard.tar, { offset, length: size })).equals(bytes)).toBe(true);
  }
  const index = JSON.parse(await text(shard.tar.replace(/tar$/, 'index.json')));
  expect([index.pictures[shard.position].image, index.pictures.length]).toEqual([image, shard.pictures]);

  const [{ fold }] = said.folds as [EyesWay['folds'][0]];
  expect(await text(`${prefix('label')}/folds.csv`)).toContain(`\n${image},${said.patient},${said.level},${fold}\n`);
  const { databases } = JSON.parse(await text(`${prefix('label')}/plan.json`));
  for (const { version, database, record } of said.records) {
    expect(databases[database][record]).toBe(`${image}.${version}.png ${said.level}`);
  }
  if (fold !== 'train') expect(said.records).toHaveLength(4);

  const curves = parseCurves(await text(`runs/${run}/report/curves.csv`));
  for (const split of said.splits) await expectEpochs(store, split, curves);

  const { regression } = JSON.parse(await text(`runs/${run}/report/metrics.json`)) as Metrics;
  const { features, intercept, expected, cuts, predicted } = said.final;
  expect(features.map(({ name }) => name)).toEqual(regression.features);
  expect(features.map(({ weight }) => weight)).toEqual(regression.weights);
  expect([intercept, cuts]).toEqual([regression.intercept, regression.cuts]);
  for (const { value, weight, share } of features) expect(share).toBe(value * weight);
  expect(features.reduce((sum, { share }) => sum + share, intercept)).toBeCloseTo(expected, 12);
  expect(features.slice(0, 4).map(({ value }) => value)).toEqual(said.final.p);
  expect(cuts.filter(cut => expected >= cut)).toHaveLength(predicted);
}

async function expectEpochs(
  store: ArtifactStore,
  { k, best, epochs }: SplitEpochs,
  curves: ReturnType<typeof parseCurves>,
): Promise<void> {
  const aucs = curves.filter(({ split, metric }) => split === splitName(k) && metric === 'validation auc');
  expect(epochs.map(({ auc }) => auc)).toEqual(aucs.map(({ value }) => value));
  expect(epochs[best - 1]!.auc).toBe(Math.max(...epochs.map(({ auc }) => auc!)));
  expect(epochs[best - 1]!.p).not.toBeNull();
  for (const { snapshot, p } of epochs) {
    let files = 0;
    for await (const { key } of store.list(`stages/segment/${snapshot}/`)) if (key.endsWith('.caffemodel')) files++;
    expect(files).toBe(p === null ? 0 : 1);
  }
}
