/** Stage 2: unzips and checks every image and makes its four versions, a shard at a time. */
import { ApplicationFailure } from '@temporalio/workflow';
import type { ArchivePart } from '../activities/zip/virtual-file.ts';
import { shardParameters } from '../config/stages.ts';
import type { Manifest } from '../storage/manifest.ts';
import type { Artifact } from '../storage/store.ts';
import { imageActivities, runActivities } from './activities.ts';
import { LABELS, SAMPLE } from './ids.ts';
import { pool } from './map-concurrently.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, required, type StageArgs } from './stage-input.ts';

/** Bounded by the size of a payload and of a history. */
const MAX_SHARDS = 1500;
/** Limit of shards × parts, because each shard's task names every part of the archive. */
const MAX_PARTS_IN_HISTORY = 150_000;
/** Enough for workers with 64 cores. Their slots bound the load; this bounds the work that is still running after a pause. */
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
      stage: 'prepare',
      inputs: Object.fromEntries(Object.entries(download.outputs).map(([name, a]) => [name, `${a.crc32c}/${a.size}`])),
      parameters: shardParameters(input),
    },
    async ({ prefix, reason }) => {
      const opened = await imageActivities.openArchive.executeWithOptions({ summary: `open ${archive.name}` }, [
        { prefix, parts, labels, archive, images },
      ]);
      const most = Math.min(MAX_SHARDS, Math.floor(MAX_PARTS_IN_HISTORY / parts.length));
      if (opened.shards > most) {
        throw ApplicationFailure.nonRetryable(
          `Expected at most ${most} shards, got ${opened.shards}: set images.shardSize to ${Math.ceil(opened.pictures / most)} or more`,
          'BadInput',
        );
      }
      await tellStage('prepare', { of: opened.shards, reason, counts: { pictures: 0 } });

      let done = 0;
      let pictures = 0;
      const shards = await pool(opened.shards, SHARDS_AT_ONCE, async shard => {
        await mayGoOn();
        const first = shard * images.shardSize + 1;
        const last = Math.min(opened.pictures, first + images.shardSize - 1);
        const made = await imageActivities.unzipAndAugment.executeWithOptions(
          {
            summary: `unzip + augment · shard ${shard + 1}/${opened.shards} · pictures ${first.toLocaleString('en')}–${last.toLocaleString('en')}`,
          },
          [{ prefix, parts, directory: opened.directory, images, shard }],
        );
        pictures += made.pictures;
        await tellStage('prepare', { done: ++done, counts: { pictures } });
        return made;
      });

      const closed = await imageActivities.closeShards.executeWithOptions({ summary: 'join the quarantine lists' }, [
        { prefix, parts, images, archive: opened, shards },
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
          ...(opened.ignored > 0 && { ignored: opened.ignored }),
          crcErrors: sum(s => s.crcErrors),
          bytes: opened.bytes,
          unzipSeconds: sum(s => s.unzipSeconds),
          augmentSeconds: sum(s => s.augmentSeconds),
          labelsWithoutPicture: opened.labelsWithoutPicture,
        },
      };
    },
  );
  // Each run has its own contact sheet, even when another run made the images.
  await imageActivities.drawAugmentation.executeWithOptions({ summary: 'contact sheet' }, [
    { run, prefix: prepared.prefix, images },
  ]);
  return prepared;
}

/** Reads the archive's parts in order, its labels and its sample submission from the download's manifest. */
export function archiveOf(download: Manifest) {
  const parts: ArchivePart[] = Object.entries(download.outputs)
    .filter(([name]) => name !== LABELS && name !== SAMPLE)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { key, offset = 0, size, crc32c }]) => ({ name, key, offset, size, crc32c }));
  return { parts, labels: download.outputs[LABELS] ?? null, sample: download.outputs[SAMPLE] ?? null };
}
