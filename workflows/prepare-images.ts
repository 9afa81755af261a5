/** Stage 2: every picture unzipped, checked and made into its four versions, a shard at a time. */
import type { ArchivePart } from '../activities/download/types.ts';
import { shardParameters } from '../config/picture-recipe.ts';
import type { Manifest } from '../storage/manifest.ts';
import type { Artifact } from '../storage/store.ts';
import { LABELS, SAMPLE } from './names.ts';
import { pool } from './pool.ts';
import { imageActivities, runActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './standalone.ts';

/** Enough for 64 cores' worth of workers; the slots of the workers bound the load, this bounds what a pause leaves running. */
const SHARDS_AT_ONCE = 64;

export async function prepareImages(args: StageArgs = {}): Promise<StageResult> {
  const { run, input, upstream } = await locate(args, 'prepare');
  const { mayGoOn } = listenToSteering();
  const download = await runActivities.readManifest({ stage: 'download', key: required(upstream, 'download', run) });
  const { parts, labels } = archiveOf(download);
  const { archive, images } = input;

  const prepared = await asStage(
    {
      run,
      name: 'prepare',
      stage: 'prepare',
      recipe: RECIPES.prepare,
      inputs: Object.fromEntries(Object.entries(download.outputs).map(([name, a]) => [name, `${a.crc32c}/${a.size}`])),
      parameters: shardParameters(input),
    },
    async ({ prefix, reason }) => {
      const opened = await imageActivities.openArchive.executeWithOptions({ summary: `open ${archive.name}` }, [
        { prefix, parts, labels, archive, images },
      ]);
      await tellStage('prepare', { of: opened.shards, reason, counts: { pictures: 0 } });

      let done = 0;
      let pictures = 0;
      const shards = await pool(opened.shards, SHARDS_AT_ONCE, async shard => {
        await mayGoOn();
        const first = shard * images.shardSize + 1;
        const last = Math.min(opened.pictures, first + images.shardSize - 1);
        const made = await imageActivities.unzipAndAugment.executeWithOptions(
          {
            summary: `unzip + augment · shard ${shard + 1}/${opened.shards} · pictures ${group(first)}–${group(last)}`,
          },
          [{ prefix, parts, directory: opened.directory, images, shard }],
        );
        pictures += made.pictures;
        await tellStage('prepare', { done: ++done, counts: { pictures } });
        return made;
      });

      const closed = await imageActivities.closeShards.executeWithOptions({ summary: 'join the quarantine lists' }, [
        { prefix, images, archive: opened, shards },
      ]);
      const outputs: Record<string, Artifact> = { 'directory.json': opened.directory };
      for (const { tar, index, originals } of shards) {
        for (const a of [tar, index, originals]) if (a) outputs[a.key.slice(prefix.length + 1)] = a;
      }
      outputs['quarantine.jsonl'] = closed.quarantine;
      const sum = (of: (shard: (typeof shards)[number]) => number) => shards.reduce((total, s) => total + of(s), 0);
      return {
        outputs,
        counts: {
          shards: opened.shards,
          entries: opened.pictures,
          pictures: sum(s => s.pictures),
          quarantined: closed.quarantined,
          crcErrors: sum(s => s.crcErrors),
          bytes: opened.bytes,
          unzipSeconds: sum(s => s.unzipSeconds),
          augmentSeconds: sum(s => s.augmentSeconds),
          labelsWithoutPicture: opened.labelsWithoutPicture,
        },
      };
    },
  );
  // Each run has its own, even when another run made the pictures.
  await imageActivities.drawAugmentation.executeWithOptions({ summary: 'contact sheet' }, [
    { run, prefix: prepared.prefix, images },
  ]);
  return prepared;
}

/** The archive's parts in order, its labels and its sample submission, from the download's manifest. */
export function archiveOf(download: Manifest): {
  parts: ArchivePart[];
  labels: Artifact | null;
  sample: Artifact | null;
} {
  const parts = Object.entries(download.outputs)
    .filter(([name]) => name !== LABELS && name !== SAMPLE)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { key, offset = 0, size, crc32c }]) => ({ name, key, offset, size, crc32c }));
  return { parts, labels: download.outputs[LABELS] ?? null, sample: download.outputs[SAMPLE] ?? null };
}

function group(n: number): string {
  return n.toLocaleString('en');
}
