/** GPUs that this worker may train on: those of RETINOPATHY_GPUS, else those that `nvidia-smi` lists. */
import type { GraphicsCard } from '../activities/dependencies.ts';
import { runChild } from '../lib/process/child-process.ts';
import { which } from '../lib/process/which.ts';
import { quote } from '../lib/quote.ts';

/** Exit code of `nvidia-smi` where the driver has no GPU. */
const NO_DEVICES = 6;
const PATIENCE_MS = 30_000;
/** Drivers before 2021 do not know `compute_cap` and reject the whole query. */
const FIELDS = [
  ['index', 'uuid', 'name', 'memory.total', 'compute_cap'],
  ['index', 'uuid', 'name', 'memory.total'],
];

interface Listed extends GraphicsCard {
  uuid: string;
}

/**
 * Lists the GPUs that this worker may train on.
 * @param env `RETINOPATHY_GPUS`: numbers as Caffe's `--gpu` takes them (`0,1`), or `none`. `CUDA_VISIBLE_DEVICES`: the order in
 *   which CUDA numbers them
 * @throws Error with a one-line message when the setting is invalid, or when a driver is installed but does not answer
 */
export async function findCards(env: NodeJS.ProcessEnv): Promise<GraphicsCard[]> {
  const setting = env.RETINOPATHY_GPUS?.trim();
  if (setting === 'none') return [];
  if (!setting) return visible(await listed(env), env.CUDA_VISIBLE_DEVICES);
  const numbers = setting.split(/\s*,\s*/);
  if (!numbers.every(number => /^\d{1,3}$/.test(number)) || new Set(numbers.map(Number)).size < numbers.length)
    throw new Error(
      `Expected RETINOPATHY_GPUS to be numbers of graphics cards such as 0 or 0,1, or none, got \`${quote(setting)}\``,
    );
  const known = visible(await listed(env).catch(() => []), env.CUDA_VISIBLE_DEVICES);
  return numbers.map(Number).map(number => known.find(card => card.number === number) ?? { number, about: '' });
}

/** Keeps the GPUs that CUDA_VISIBLE_DEVICES names, numbered in the order of that list, as CUDA does. */
function visible(cards: readonly Listed[], setting: string | undefined): GraphicsCard[] {
  if (setting === undefined) return cards.map(({ number, about }) => ({ number, about }));
  return setting
    .split(',')
    .map(entry => entry.trim())
    .filter(entry => entry !== '' && entry !== '-1' && entry !== 'NoDevFiles')
    .map((entry, number) => {
      const card = cards.find(({ number: index, uuid }) => entry === String(index) || uuid.startsWith(entry));
      return { number, about: card?.about ?? entry };
    });
}

async function listed(env: NodeJS.ProcessEnv): Promise<Listed[]> {
  const tool = await which('nvidia-smi', env.PATH);
  if (tool === null) return [];
  let said = 'nothing';
  for (const fields of FIELDS) {
    const { code, signal, tail } = await runChild(
      [tool, `--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'],
      { env, signal: AbortSignal.timeout(PATIENCE_MS) },
    );
    if (code === 0) return tail.filter(line => line.trim() !== '').map(readLine);
    if (code === NO_DEVICES) return [];
    said = `${signal ?? `exit code ${code}`}: ${quote(tail[0] ?? 'nothing', 200)}`;
    if (!/not a valid field/i.test(said)) break;
  }
  throw new Error(
    `Expected nvidia-smi to list the graphics cards, got ${said}: repair the driver, or set RETINOPATHY_GPUS to none to train on the CPU`,
  );
}

/** Parses a line such as `0, GPU-1b2c…, Tesla T4, 15360, 7.5`. */
function readLine(line: string): Listed {
  const [index = '', uuid = '', name = '', memory = '', capability] = line.split(',').map(word => word.trim());
  const about = [name, ...(capability ? [`compute capability ${capability}`] : []), `${memory} MiB`];
  return { number: Number(index), uuid, about: about.join(', ') };
}
