/** Stage 1: the parts of the archive and the labels, from their source into the store. */
import type { DownloadedPart, ListedFile } from '../activities/download/types.ts';
import type { Artifact } from '../storage/store.ts';
import { LABELS, SAMPLE } from './names.ts';
import { pool } from './pool.ts';
import { downloadActivities, eyeActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { asStage, listenToSteering, type StageResult, tellStage } from './stage.ts';
import { locate, type StageArgs } from './standalone.ts';

/** All parts at once, as the 2015 job did; a seven-part archive still is polite to its server. */
const PARTS_AT_ONCE = 8;

export async function downloadArchive(args: StageArgs = {}): Promise<StageResult> {
  const { run, input } = await locate(args, 'download');
  const { mayGoOn } = listenToSteering();
  const { source, archive } = input;
  // Absent where there is none, so that the keys of what was downloaded before stay.
  const sample = archive.sample === undefined ? {} : { sample: archive.sample };

  let synthetic: string | null = null;
  if (source === 'synthetic') {
    await tellStage('download', { reason: 'drawing the made-up eyes' });
    const drawn = await asStage(
      {
        run,
        name: 'synthetic',
        stage: 'synthetic',
        recipe: RECIPES.synthetic,
        inputs: {},
        parameters: {
          ...{ synthetic: input.synthetic, name: archive.name, parts: archive.parts, labels: archive.labels },
          ...sample,
        },
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
      name: 'download',
      stage: 'download',
      recipe: RECIPES.download,
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
      if (labels) {
        outputs[LABELS] = { key: labels.key, size: labels.size, crc32c: labels.crc32c };
        counts.labels = labels.rows;
      }
      if (named) {
        outputs[SAMPLE] = { key: named.key, size: named.size, crc32c: named.crc32c };
        counts.sampled = named.rows;
      }
      return { outputs, counts };
    },
  );
}

function artifact({ key, offset, size, crc32c }: DownloadedPart): Artifact {
  return offset === 0 ? { key, size, crc32c } : { key, offset, size, crc32c };
}

function gigabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(2)} GB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
