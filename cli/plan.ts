/** `retinopathy plan`: what a run would fetch, write, take and cost. */
import { availableParallelism } from 'node:os';
import colors from 'picocolors';
import { findCaffe } from '../bootstrap/caffe.ts';
import { STAGES } from '../config/stages.ts';
import { estimate, type Plan, type Prices } from '../planning/estimate.ts';
import { probe } from '../planning/probe.ts';
import { ratesOfRun } from '../planning/rates.ts';
import { sourceToCome } from '../planning/source.ts';
import { countWork } from '../planning/work.ts';
import { openStore } from '../storage/open.ts';
import { bytes, duration, table, whole } from './format.ts';
import { readOutState } from './out-folder.ts';
import { inputOf, type RunOptions } from './run-options.ts';
import { UserError } from './user-error.ts';

export interface PlanOptions extends RunOptions {
  from?: string;
  gpus?: number;
  perGpuHour?: number;
  perCpuHour?: number;
  perGbMonth?: number;
  currency?: string;
  json?: boolean;
}

/** @returns the exit status; @throws UserError */
export async function plan(options: PlanOptions): Promise<number> {
  const input = await inputOf(options);
  const say = (line: string) => void process.stderr.write(`  ${colors.dim(line)}\n`);
  try {
    if (input.source === 'synthetic')
      say(`drawing ${whole(2 * input.synthetic.patients)} eyes, as nobody knows their bytes before`);
    const { fetch, eyes, drawing } = await sourceToCome(input);
    const work = countWork(eyes, input);
    const rates = options.from === undefined ? undefined : await earlier(options.from, options);
    if (!rates) say('trying this machine for about 20 seconds');
    const machine = {
      cards: options.gpus ?? availableParallelism(),
      cores: availableParallelism(),
    };
    const made = estimate(
      {
        ...{ work, fetch, machine, prices: pricesOf(options) },
        rates: rates ?? (await probe(input, await findCaffe({ env: process.env, report: say }), drawing)),
      },
      input,
    );
    process.stdout.write(`${options.json ? JSON.stringify(made, null, 2) : planLines(made, input.until).join('\n')}\n`);
    return 0;
  } catch (error) {
    throw error instanceof UserError ? error : new UserError((error as Error).message);
  }
}

/** An out folder has its run and its store; any other name is a run's, in the store of the options. */
async function earlier(from: string, { store, out }: PlanOptions) {
  const own = await readOutState(from);
  if (own) return ratesOfRun(await openStore(own.store), own.run);
  const url = store ?? process.env.RETINOPATHY_STORE ?? (await readOutState(out))?.store;
  if (!url) {
    throw new UserError(
      `Expected --from to be an out folder, or --store to name the store that has run ${from}, got neither`,
    );
  }
  return ratesOfRun(await openStore(url), from);
}

function pricesOf({ currency = 'USD', perGpuHour = 0, perCpuHour = 0, perGbMonth = 0 }: PlanOptions): Prices | null {
  return perGpuHour + perCpuHour + perGbMonth > 0 ? { currency, perGpuHour, perCpuHour, perGbMonth } : null;
}

/** The plan as tables for people. */
export function planLines(
  { rates, fetch, work, seconds, disk, requests, histories, money }: Plan,
  until: string,
): string[] {
  const stages = STAGES.slice(0, (STAGES as readonly string[]).indexOf(until) + 1);
  const rows: string[][] = [
    [
      'to fetch',
      `${whole(fetch.bytes)} bytes`,
      `${fetch.exact ? '' : 'about '}${bytes(fetch.bytes)} in ${fetch.files} files`,
    ],
    ['store', bytes(disk.store), 'at most, the archive included'],
    ['a cpu worker', bytes(disk.cpuWorker), 'scratch and copies, at most'],
    ['a gpu worker', bytes(disk.gpuWorker), 'scratch and copies, at most'],
    ['pictures', whole(work.pictures), `${whole(work.shards)} shards, ${whole(work.databases)} databases`],
    [
      'segments',
      whole(work.segments),
      `${work.trainings} × ${whole(work.segments / work.trainings)}, ${whole(work.iterations)} iterations`,
    ],
    ...stages.map(stage => [
      stage,
      duration(seconds[stage]),
      stage === 'train' ? `${duration(seconds.ofCards)} of cards` : '',
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
      ['cards', price(money.cards), ''],
      ['cores', price(money.cores), ''],
      ['store', price(money.storePerMonth), 'a month'],
    );
    rows.push(['the run', price(money.all), 'with the store as long as it runs']);
  }
  const [named, notes] = [table(rows.map(row => row.slice(0, 2))), rows.map(row => row[2] ?? '')];
  return [...named.map((line, n) => `  ${line}  ${colors.dim(notes[n]!)}`.trimEnd()), colors.dim(`  By ${rates}.`)];
}
