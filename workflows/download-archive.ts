/** Stage 1: copies the parts of the archive and the labels from their source into the store. */
import type { ListedFile } from '../activities/download/types.ts';
import type { Artifact } from '../storage/store.ts';
import { downloadActivities, eyeActivities } from './activities.ts';
import { LABELS, SAMPLE } from './ids.ts';
import { pool } from './map-concurrently.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, type StageArgs } from './stage-input.ts';

/** Enough for all five parts at once, as in the 2015 job, and for a seven-part archive; still a modest load for the server. */
const PARTS_AT_ONCE = 8;

export async function downloadArchive(args: StageArgs = {}): Promise<StageResult> {
  const { run, input } = await locate(args, 'download');
  const { mayGoOn } = listenToSteering();
  const { source, archive } = input;
  const { name } = archive;
  // Omitted when not set, so that the keys of earlier downloads stay valid.
  const sample = archive.sample === undefined ? {} : { sample: archive.sample };

  let synthetic: string | null = null;
  if (source === 'synthetic') {
    await tellStage('download', { reason: 'drawing the made-up eyes' });
    const drawn = await asStage(
      {
        ...{ run, stage: 'synthetic', inputs: {} },
        parameters: { synthetic: input.synthetic, name, parts: archive.parts, labels: archive.labels, ...sample },
      },
      ({ prefix }) =>
        eyeActivities.drawEyes.executeWithOptions(
          { summary: `draw made-up eyes · ${input.synthetic.patients} patients` },
          [{ prefix, synthetic: input.synthetic, archive }],
        ),
    );
    synthetic = drawn.prefix;
  }

  const from = { source, archive, synthetic };
  const listed = await downloadActivities.listFiles.executeWithOptions({ summary: `list ${source}` }, [from]);
  const files = listed.parts.length + (listed.labels ? 1 : 0) + (listed.sample ? 1 : 0);
  await tellStage('download', { of: files });

  return asStage(
    {
      run,
      stage: 'download',
      inputs: { listing: listed.fingerprint },
      parameters: { archive: archive.name, parts: archive.parts, labels: archive.labels, ...sample },
    },
    async ({ reason }) => {
      let done = 0;
      const finished = () => tellStage('download', { done: ++done, reason });
      const tables = Promise.all([fetchTable(listed.labels), fetchTable(listed.sample, SAMPLE)]);
      const parts = pool(listed.parts.length, PARTS_AT_ONCE, async n => {
        await mayGoOn();
        const file = listed.parts[n]!;
        const part = await downloadActivities.downloadPart.executeWithOptions(
          { summary: `${file.name} · ${gigabytes(file.size)}` },
          [{ ...from, folder: listed.folder, file }],
        );
        await finished();
        return part;
      });

      async function fetchTable(file: ListedFile | null | undefined, as?: string) {
        if (!file) return null;
        const table = await downloadActivities.downloadLabels.executeWithOptions({ summary: file.name }, [
          { ...from, folder: listed.folder, file, ...(as !== undefined && { as }) },
        ]);
        await finished();
        return table;
      }

      const [fetched, [labels, named]] = await Promise.all([parts, tables]);
      const outputs: Record<string, Artifact> = Object.fromEntries(fetched.map(part => [part.name, artifact(part)]));
      const counts: Record<string, number> = {
        parts: fetched.length,
        bytes: fetched.reduce((sum, part) => sum + part.size, 0),
        fetched: fetched.reduce((sum, part) => sum + part.fetched, 0),
      };
      if (labels) outputs[LABELS] = artifact(labels);
      if (labels) counts.labels = labels.rows;
      if (named) outputs[SAMPLE] = artifact(named);
      if (named) counts.sampled = named.rows;
      return { outputs, counts };
    },
  );
}

function artifact({ key, offset = 0, size, crc32c }: Artifact): Artifact {
  return { key, ...(offset > 0 && { offset }), size, crc32c };
}

function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
