/** `retinopathy explain`: shows how a run graded one of its eyes, and why. */
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { drawMaps } from '../../inference/explain/draw-maps.ts';
import { explainEye } from '../../inference/explain/explain-eye.ts';
import { defaultOcclusion } from '../../inference/explain/occlusion.ts';
import { readTrainedRun } from '../../inference/trained-run.ts';
import { codeOf } from '../../lib/system-errors.ts';
import { UserError } from '../../lib/user-error.ts';
import { writeWhole } from '../local/atomic-dir.ts';
import { Stopped } from '../local/interrupt.ts';
import { chooseRun, type RunChoice } from '../local/resolve-run.ts';
import { withCaffe } from '../local/with-caffe.ts';
import { createConsole } from '../ui/console.ts';
import { explanationLines, figuresOf } from './explanation-tables.ts';

export interface ExplainOptions extends RunChoice {
  /** Folder for `<image>.png` and `<image>.json`. */
  to?: string;
  json?: boolean;
  /** Positions per row of the occlusion, and the diameter of one in pixels. */
  grid?: number;
  patch?: number;
}

/** Prints the explanation of an eye. @param image `10_left`; @returns the exit status; @throws UserError */
export async function explain(image: string, options: ExplainOptions): Promise<number> {
  const { store, record } = await chooseRun(options);
  const trained = await readTrainedRun(store, record);
  const occlusion = options.to === undefined ? null : occlusionOf(trained.input.images.size, options);
  const screen = createConsole(process.stderr);
  const eye = image.replace(/\.jpe?g$/, '');
  const explanation = await withCaffe(screen, 'explain', `Caffe looks at ${image}`, tools =>
    explainEye({ store, trained, image: eye, occlusion, ...tools }),
  );
  if (explanation instanceof Stopped) return explanation.exitCode;
  const json = `${JSON.stringify(figuresOf(explanation), null, 2)}\n`;
  process.stdout.write(options.json ? json : `${explanationLines(explanation).join('\n')}\n`);
  if (options.to !== undefined && explanation.occlusion) {
    const files = { png: await drawMaps(explanation.occlusion), json: Buffer.from(json) };
    const folder = resolve(options.to);
    for (const [kind, bytes] of Object.entries(files)) {
      const file = join(folder, `${eye}.${kind}`);
      await mkdir(folder, { recursive: true })
        .then(() => writeWhole(file, bytes))
        .catch(error => {
          throw new UserError(`Expected --to ${folder} to be a folder that can be written, got ${codeOf(error)}`);
        });
      screen.line(`  ${file}`);
    }
    const splits = explanation.occlusion.maps.map(({ k }) => `P(>${k})`).join(', ');
    screen.line(`  From the left: the eye, with a ring as large as a covered place; the maps of ${splits}.`);
    screen.line('  Red: P falls when the place is covered; blue: it rises. The .json says how far.');
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
