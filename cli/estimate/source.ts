/** Bytes and eyes that a run would download: listed by the source, or drawn where they are synthetic. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { readLabels } from '../../activities/download/download-labels.ts';
import { drawEyes } from '../../activities/download/generate-synthetic.ts';
import { createHttp } from '../../activities/download/http.ts';
import { findCredentials } from '../../activities/download/kaggle/credentials.ts';
import { openSource } from '../../activities/download/open-source.ts';
import { pickFiles } from '../../activities/download/select-files.ts';
import { downloadSettings } from '../../activities/download/settings.ts';
import type { Eye } from '../../activities/labels/folds.ts';
import type { PipelineInput } from '../../config/input.ts';
import { createFileStore } from '../../storage/file.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import type { Fetch } from './estimate.ts';

/** Size of the competition, from its listing, which requires credentials. */
const COMPETITION = { bytes: 34_988_445_506 + 71_069, patients: 17_563 };

export interface SourceToCome {
  fetch: Fetch;
  eyes: Eye[];
  /** True where the eyes are those of the source's labels; false where only their number is that of the competition. */
  exact: boolean;
  /** Wall-clock seconds that drawing one synthetic eye took here; undefined for any other source. */
  drawing?: number;
}

/** Returns what a run would download. Draws synthetic eyes into a temporary folder to measure them. @throws errors of the source */
export async function sourceToCome(
  { source, synthetic, archive }: Pick<PipelineInput, 'source' | 'synthetic' | 'archive'>,
  { env, warn }: { env: NodeJS.ProcessEnv; warn: (message: string) => void },
): Promise<SourceToCome> {
  const files = archive.parts + (archive.labels === null ? 0 : 1);
  if (source === 'synthetic') {
    return inFolder(async folder => {
      const started = Date.now();
      const services = {
        store: createFileStore(join(folder, 'store')),
        scratch: folder,
        log: pino({ level: 'silent' }),
      };
      const { counts } = await drawEyes(services as never, { prefix: 'drawn', synthetic, archive });
      const eyes = eyesOf(makePatients(synthetic.seed, synthetic.patients, synthetic.stages));
      const drawing = (Date.now() - started) / 1000 / eyes.length;
      return { fetch: { bytes: counts.bytes!, exact: true, files }, eyes, exact: true, drawing };
    });
  }
  if (source === 'kaggle' && (await findCredentials(env)).authorization === null) {
    // Uses the competition's grades and patients, so that the folds have the same size.
    const eyes = eyesOf(makePatients(1, COMPETITION.patients, 'competition'));
    return { fetch: { bytes: COMPETITION.bytes, exact: false, files }, eyes, exact: false };
  }
  return listed({ source, archive }, env, warn);
}

/** Requests the list of files and the labels, as the download does, and nothing of the archive. */
async function listed(
  args: Pick<PipelineInput, 'source' | 'archive'>,
  env: NodeJS.ProcessEnv,
  warn: (message: string) => void,
): Promise<SourceToCome> {
  const { signal } = new AbortController();
  const { patience, silenceMs } = downloadSettings(env);
  const source = await openSource(
    { ...args, synthetic: null },
    { services: { env, syntheticUrl: noEyes }, http: createHttp(env, silenceMs), patience, warn },
  );
  const { parts, labels } = pickFiles(await source.list(signal), args.archive, source.name);
  if (!labels) throw new Error('Expected labels to plan the training by, got none: set `archive.labels`');
  const sizes = [...parts, labels].map(({ size }) => size);
  const { levels } = await readLabels(labels.name, { source, patience, signal });
  return {
    // A server may omit a size.
    fetch: {
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      exact: sizes.every(size => size > 0),
      files: sizes.length,
    },
    eyes: [...levels].map(([image, stage]) => ({ image, stage })),
    exact: true,
  };
}

const noEyes = () => Promise.reject(new TypeError('Expected a source that is not made up'));

function eyesOf(patients: ReturnType<typeof makePatients>): Eye[] {
  return patients.flatMap(({ eyes }) => eyes.map(({ name, stage }) => ({ image: name, stage })));
}

async function inFolder<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), 'retinopathy-plan-'));
  try {
    await mkdir(join(folder, 'store'), { recursive: true });
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
