/** What a run would fetch, and whose eyes it would see: listed where the source does so, drawn where it is made up. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { downloadLabels } from '../activities/download/download-labels.ts';
import { drawEyes } from '../activities/download/draw-eyes.ts';
import { createFolderSource } from '../activities/download/folder-source.ts';
import { pickFiles } from '../activities/download/parts.ts';
import { PATIENCE } from '../activities/download/retries.ts';
import type { Eye } from '../activities/labels/folds.ts';
import type { PipelineInput } from '../config/input.ts';
import { makePatients } from '../demo/eyes/patients.ts';
import { createFileStore } from '../storage/file.ts';
import type { Fetch } from './estimate.ts';

/** The competition's: facts of its listing, for which one has to be logged in. */
const COMPETITION = { bytes: 34_988_445_506 + 71_069, patients: 17_563 };

export interface SourceToCome {
  fetch: Fetch;
  eyes: Eye[];
  /** Wall-clock seconds a made-up eye took to draw here; undefined where none was. */
  drawing?: number;
}

/** Draws all made-up eyes into a folder that goes again: their bytes are known no other way. @throws what the source throws */
export async function sourceToCome({ source, synthetic, archive }: PipelineInput): Promise<SourceToCome> {
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
      return { fetch: { bytes: counts.bytes!, exact: true, files }, eyes, drawing };
    });
  }
  if (source.startsWith('file:')) {
    const signal = new AbortController().signal;
    const folder = createFolderSource(source.slice('file:'.length));
    const { parts, labels } = pickFiles(await folder.list(signal), archive, folder.name);
    const bytes = [...parts, ...(labels ? [labels] : [])].reduce((sum, { size }) => sum + size, 0);
    if (!labels) throw new Error('Expected labels to plan the training by, got none: set `archive.labels`');
    const eyes = await inFolder(async path => {
      const store = createFileStore(path);
      const { key } = await downloadLabels(labels.name, {
        source: folder,
        folder: 'plan',
        store,
        patience: PATIENCE,
        signal,
      });
      return parseEyes((await store.get(key)).toString('utf8'));
    });
    return { fetch: { bytes, exact: true, files }, eyes };
  }
  // Stages and patients as in the competition, so that folds come out of the same size.
  const eyes = eyesOf(makePatients(1, COMPETITION.patients, 'competition'));
  return { fetch: { bytes: COMPETITION.bytes, exact: false, files }, eyes };
}

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
