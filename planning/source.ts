/** What a run would fetch, and whose eyes it would see: listed where the source does so, drawn where it is made up. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { findCredentials } from '../activities/download/credentials.ts';
import { readLabels } from '../activities/download/download-labels.ts';
import { drawEyes } from '../activities/download/draw-eyes.ts';
import { createHttp } from '../activities/download/http.ts';
import { openSource } from '../activities/download/open-source.ts';
import { pickFiles } from '../activities/download/parts.ts';
import { downloadSettings } from '../activities/download/settings.ts';
import type { Eye } from '../activities/labels/folds.ts';
import type { PipelineInput } from '../config/input.ts';
import { makePatients } from '../demo/eyes/patients.ts';
import { createFileStore } from '../storage/file.ts';
import type { Fetch } from './estimate.ts';

/** The competition's: facts of its listing, which is shown to nobody without credentials. */
const COMPETITION = { bytes: 34_988_445_506 + 71_069, patients: 17_563 };

export interface SourceToCome {
  fetch: Fetch;
  eyes: Eye[];
  /** Whether the eyes are those of the source's labels, or only as many as the competition's. */
  exact: boolean;
  /** Wall-clock seconds a made-up eye took to draw here; undefined where none was. */
  drawing?: number;
}

/** Draws all made-up eyes into a folder that goes again: their bytes are known no other way. @throws what the source throws */
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
    // Stages and patients as in the competition, so that folds come out of the same size.
    const eyes = eyesOf(makePatients(1, COMPETITION.patients, 'competition'));
    return { fetch: { bytes: COMPETITION.bytes, exact: false, files }, eyes, exact: false };
  }
  return listed({ source, archive }, env, warn);
}

/** Asks for the list of files and for the labels, as the download does; of the archive itself nothing. */
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
  const { csv } = await readLabels(labels.name, { source, patience, signal });
  return {
    // A server may leave a size out.
    fetch: {
      bytes: sizes.reduce((sum, size) => sum + size, 0),
      exact: sizes.every(size => size > 0),
      files: sizes.length,
    },
    eyes: parseEyes(csv),
    exact: true,
  };
}

const noEyes = () => Promise.reject(new TypeError('Expected a source that is not made up'));

function eyesOf(patients: ReturnType<typeof makePatients>): Eye[] {
  return patients.flatMap(({ eyes }) => eyes.map(({ name, stage }) => ({ image: name, stage })));
}

function parseEyes(csv: string): Eye[] {
  return csv
    .trim()
    .split('\n')
    .slice(1)
    .map(line => line.split(','))
    .map(([image = '', stage]) => ({ image, stage: Number(stage) }));
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
