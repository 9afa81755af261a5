/** `retinopathy explain`: what a run says of one of its eyes, and why. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { findCaffe } from '../bootstrap/caffe.ts';
import { drawMaps } from '../inference/explain/draw-maps.ts';
import { type Explanation, explainEye } from '../inference/explain/explain-eye.ts';
import { defaultOcclusion } from '../inference/explain/occlusion.ts';
import { readTrainedRun } from '../inference/trained-run.ts';
import { errorCode } from '../storage/durable-files.ts';
import { ownerName } from '../storage/owner.ts';
import { openScratch } from '../workers/scratch.ts';
import { chooseRun, type RunChoice } from './choose-run.ts';
import { createConsole } from './console.ts';
import { explanationLines, figuresOf } from './explanation-tables.ts';
import { bar } from './format.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export interface ExplainOptions extends RunChoice {
  /** Folder for `<image>.png` and `<image>.json`. */
  to?: string;
  json?: boolean;
  /** Places a row of the occlusion, and the diameter of one in pixels. */
  grid?: number;
  patch?: number;
}

/** @param image `10_left`; @returns the exit status; @throws UserError */
export async function explain(image: string, options: ExplainOptions): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  const occlusion = options.to === undefined ? null : occlusionOf(trained.input.images.size, options);
  const screen = createConsole(process.stderr);
  const stop = stopSignal();
  const stopped = new AbortController();
  const { signal } = stopped;
  const scratch = await openScratch('explain', process.env);
  const working = (async () => {
    const caffe = await findCaffe({ env: process.env, report: line => screen.line(`  ${line}`), signal });
    return explainEye({
      ...{ store, trained, caffe, scratch: scratch.scratch, image: image.replace(/\.jpe?g$/, ''), occlusion, signal },
      onProgress: share => screen.picture([`  ${bar(share, 20)} Caffe looks at ${image}`]),
    });
  })();
  let explanation: Explanation;
  try {
    explanation = await stop.race(working);
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    await working.catch(() => {});
    screen.line(`  Stopped (${error.message}): nothing was written`);
    return error.exitCode;
  } finally {
    screen.picture([]);
    stop.release();
    await scratch.close();
  }
  const json = `${JSON.stringify(figuresOf(explanation), null, 2)}\n`;
  process.stdout.write(options.json ? json : `${explanationLines(explanation).join('\n')}\n`);
  if (options.to !== undefined) {
    const files = { png: await drawMaps(explanation), json: Buffer.from(json) };
    for (const [kind, bytes] of Object.entries(files)) {
      screen.line(`  ${await place(resolve(options.to), `${explanation.way.image}.${kind}`, bytes)}`);
    }
  }
  return 0;
}

function occlusionOf(size: number, { grid, patch }: ExplainOptions) {
  const usual = defaultOcclusion(size);
  const occlusion = {
    patch: patch ?? usual.patch,
    grid: grid ?? (patch === undefined ? usual.grid : Math.ceil((2 * size) / patch)),
  };
  if (occlusion.patch < 2 || occlusion.patch > size) {
    throw new UserError(`Expected --patch to be from 2 to ${size}, the pictures' side, got ${occlusion.patch}`);
  }
  if (occlusion.grid > size) throw new UserError(`Expected --grid to be up to ${size}, got ${occlusion.grid}`);
  return occlusion;
}

/** A reader never finds half a file. */
async function place(folder: string, name: string, bytes: Buffer): Promise<string> {
  const file = join(folder, name);
  const part = `${file}.${ownerName()}.part`;
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(part, bytes);
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true }).catch(() => {});
    throw new UserError(`Expected --to ${folder} to be a folder that can be written, got ${errorCode(error)}`);
  }
  return file;
}
