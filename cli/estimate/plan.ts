/** `retinopathy plan`: estimates what a run would download, store, take and cost. */
import { availableParallelism, tmpdir } from 'node:os';
import colors from 'picocolors';
import { lacksCuda } from '../../activities/caffe/smoke-test.ts';
import type { GraphicsCard } from '../../activities/dependencies.ts';
import { filesOf } from '../../config/files.ts';
import { forkedInput, forkedRun } from '../../config/forks.ts';
import type { PipelineInput } from '../../config/input.ts';
import { resolveInput } from '../../config/resolve.ts';
import { STAGES } from '../../config/stages.ts';
import { layoutsOf } from '../../config/training.ts';
import { allowFiles } from '../../lib/allowed-files.ts';
import { bytes, duration, table, whole } from '../../lib/format.ts';
import { findCaffe } from '../../lib/tools/caffe.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { asUserError } from '../../lib/user-error.ts';
import { findCards } from '../../workers/gpus.ts';
import { chooseRun } from '../local/resolve-run.ts';
import { filesNamed, givenInput, type RunOptions } from '../local/run-options.ts';
import { estimate, type Plan, type Prices } from './estimate.ts';
import { probe } from './probe.ts';
import { type Rates, ratesOfRun } from './rates.ts';
import { sourceToCome } from './source.ts';
import { countWork, type Work } from './work.ts';

export interface PlanOptions extends RunOptions {
  from?: string;
  gpus?: number;
  perGpuHour?: number;
  perCpuHour?: number;
  perGbMonth?: number;
  currency?: string;
  json?: boolean;
}

/** Prints the plan. @returns the exit status; @throws UserError */
export async function plan(options: PlanOptions): Promise<number> {
  const input = await inputToPlan(options);
  const say = (line: string) => void process.stderr.write(`  ${colors.dim(line)}\n`);
  return asUserError(async () => {
    if (input.source === 'synthetic')
      say(`drawing ${whole(2 * input.synthetic.patients)} eyes, as nobody knows their bytes before`);
    const { fetch, eyes, exact, drawing } = await sourceToCome(input, {
      env: allowFiles(process.env, await filesNamed(input)),
      warn: say,
    });
    const work = countWork(eyes, input, { exact });
    const { rates, slots } = await ratesFor(input, { drawing, say }, options);
    const machine = { cards: options.gpus ?? slots, cores: availableParallelism() };
    const made = estimate({ work, fetch, machine, rates, prices: pricesOf(options) }, input);
    process.stdout.write(`${options.json ? JSON.stringify(made, null, 2) : planLines(made, input.until).join('\n')}\n`);
    return 0;
  });
}

/** Returns the input as the workflow would see it. A fork is merged over the input of the run that it names. */
async function inputToPlan(options: PlanOptions): Promise<PipelineInput> {
  const given = await givenInput(options);
  const from = forkedRun(given);
  if (from === undefined) return asUserError(() => resolveInput(given));
  const { record } = await chooseRun({ ...options, run: from });
  return asUserError(() => resolveInput(forkedInput(record.input, given)));
}

/** Returns the rates of the run in `--from`, else of this machine. `slots`: trainings that run here at once. */
async function ratesFor(
  input: PipelineInput,
  { drawing = 0, say }: { drawing: number | undefined; say: (line: string) => void },
  { from, ...options }: PlanOptions,
): Promise<{ rates: Rates; slots: number }> {
  const cores = availableParallelism();
  if (from !== undefined) {
    const { store, run } = await chooseRun({ ...options, run: from });
    return { rates: await ratesOfRun(store, run), slots: cores };
  }
  say('trying this machine for about 20 seconds');
  const caffe = await findCaffe({ env: process.env, report: say });
  const cards = await usableCards(caffe, process.env);
  const atOnce = cards.length > 0 ? 1 : Math.min(cores, options.gpus ?? cores, layoutsOf(input.training).length);
  const rates = await probe(input, caffe, {
    ...{ env: allowFiles(process.env, filesOf(input)), card: cards[0] ?? null },
    ...{ atOnce, drawing },
  });
  return { rates, slots: cards.length || cores };
}

/** Returns the GPUs that a worker would use: those that RETINOPATHY_GPUS names, or all where this Caffe supports CUDA. */
async function usableCards(caffe: Caffe, env: NodeJS.ProcessEnv): Promise<GraphicsCard[]> {
  const cards = await findCards(env);
  if (cards.length === 0 || env.RETINOPATHY_GPUS) return cards;
  return (await lacksCuda({ caffe: async () => caffe, scratch: tmpdir() })) ? [] : cards;
}

function pricesOf({ currency = 'USD', perGpuHour = 0, perCpuHour = 0, perGbMonth = 0 }: PlanOptions): Prices | null {
  return perGpuHour + perCpuHour + perGbMonth > 0 ? { currency, perGpuHour, perCpuHour, perGbMonth } : null;
}

/** Formats the plan as tables. */
export function planLines(
  { rates, trainedOn, fetch, work, seconds, disk, requests, histories, money }: Plan,
  until: string,
): string[] {
  const stages = STAGES.slice(0, (STAGES as readonly string[]).indexOf(until) + 1);
  const about = work.exact ? '' : 'about ';
  const slots = trainedOn === 'gpu' ? 'graphics cards' : "a CPU's cores";
  const rows: string[][] = [
    [
      'to fetch',
      `${fetch.exact ? '' : 'about '}${whole(fetch.bytes)} bytes`,
      work.forkOf === null ? `${bytes(fetch.bytes)} in ${fetch.files} files` : `all is in the store, by ${work.forkOf}`,
    ],
    ['store', bytes(disk.store), 'at most, the archive included'],
    ['a cpu worker', bytes(disk.cpuWorker), 'scratch and copies, at most'],
    ['a gpu worker', bytes(disk.gpuWorker), 'scratch and copies, at most'],
    ['pictures', `${about}${whole(work.pictures)}`, `${whole(work.shards)} shards, ${whole(work.databases)} databases`],
    ['segments', `${about}${whole(work.segments)}`, segmentsNote(work)],
    ...stages.map(stage => [
      stage,
      duration(seconds[stage]),
      stage === 'train' ? `${duration(seconds.ofCards)} of ${slots}` : '',
    ]),
    ['together', duration(seconds.all), ''],
    [
      'requests',
      whole(requests.source),
      `of the source; of a store in S3 about ${whole(requests.storePuts)} PUT, ${whole(requests.storeGets)} GET`,
    ],
    ...histories.map(({ workflow, events, verdict }) => [workflow, whole(events), `events of 51,200: ${verdict}`]),
  ];
  if (money) {
    const price = (n: number) => `${n.toFixed(2)} ${money.currency}`;
    rows.push(
      ['cards', price(money.cards), trainedOn === 'gpu' ? '' : 'at the speed of a CPU, which is not that of a card'],
      ['cores', price(money.cores), ''],
      ['store', price(money.storePerMonth), 'a month'],
    );
    rows.push(['the run', price(money.all), 'with the store as long as it runs']);
  }
  const [named, notes] = [table(rows.map(row => row.slice(0, 2))), rows.map(row => row[2] ?? '')];
  const by =
    trainedOn === 'gpu'
      ? [`  By ${rates}.`]
      : [
          `  By ${rates}: the hours of training are those of a CPU.`,
          "  A graphics card's hours and money: --from RUN, one that trained on such a card.",
        ];
  return [...named.map((line, n) => `  ${line}  ${colors.dim(notes[n]!)}`.trimEnd()), ...by.map(colors.dim)];
}

function segmentsNote({ networks, segmentsPerEpoch, iterations, shared }: Work): string {
  const each = networks.map(({ epochs }) => epochs * segmentsPerEpoch);
  const trainings = new Set(each).size === 1 ? `${each.length} × ${whole(each[0]!)}` : each.map(whole).join(' + ');
  const found = shared.segments > 0 ? `; ${whole(shared.segments)} of them are in the store` : '';
  return `${trainings}, ${whole(iterations)} iterations${found}`;
}
