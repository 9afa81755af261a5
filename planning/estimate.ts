/** From counts and rates to hours, bytes, requests, events and money. Pure. */
import type { PipelineInput } from '../config/input.ts';
import { STAGES, type Stage } from '../config/stages.ts';
import type { Rates } from './rates.ts';
import type { Work } from './work.ts';

export interface Fetch {
  /** Bytes that come from the source. */
  bytes: number;
  /** Whether the source lists them, or they are what the competition had. */
  exact: boolean;
  files: number;
}

export interface Machine {
  /** Slots for training at once: graphics cards, or cores. */
  cards: number;
  /** Slots for pictures at once. */
  cores: number;
}

export interface Prices {
  currency: string;
  perGpuHour: number;
  perCpuHour: number;
  perGbMonth: number;
}

export interface Plan {
  rates: string;
  fetch: Fetch;
  work: Work;
  /** Wall-clock seconds. */
  seconds: Record<Stage, number> & { all: number; ofCards: number };
  disk: { store: number; cpuWorker: number; gpuWorker: number };
  requests: { source: number; storePuts: number; storeGets: number };
  histories: { workflow: string; events: number; verdict: 'fits' | 'warning' | 'too long' }[];
  money: { currency: string; cards: number; cores: number; storePerMonth: number; all: number } | null;
}

/** Temporal ends a history at the second, and warns at the first. */
const HISTORY = { warn: 10_240, most: 51_200 };
const SEGMENT_OF_UPLOAD = 32 << 20;
/** The last two pairs, the best, and one that is being stored. */
const PAIRS = 4;
/** Report, records, event files of a run. */
const AROUND_RUN = 1e6;
const MONTH_HOURS = 730;

export function estimate(
  {
    work,
    fetch,
    machine,
    rates,
    prices,
  }: { work: Work; fetch: Fetch; machine: Machine; rates: Rates; prices: Prices | null },
  input: PipelineInput,
): Plan {
  const scale = (input.images.size / rates.size) ** 2;
  const versions = work.pictures * input.images.versions.length;
  const records = work.records.train + work.records.validation + work.records.test;
  const made = input.source === 'synthetic';
  const cards = Math.min(machine.cards, work.trainings);

  const ofCards =
    work.iterations * rates.iteration +
    work.segments * rates.aroundSegment +
    work.judgings * (work.records.validation * rates.judging.record + rates.judging.around) +
    work.trainings * ((work.records.validation + work.records.test) * rates.judging.record + 2 * rates.judging.around);
  const tasks = work.segments + work.judgings + 2 * work.trainings;
  const wall: Record<Stage, number> = {
    download: fetch.bytes / rates.download + (made ? work.pictures * rates.drawing : 0),
    prepare: (work.pictures * rates.preparing) / Math.min(machine.cores, work.shards),
    label: records * rates.labelling,
    train: (ofCards + tasks * rates.turnover) / cards,
    regress: rates.regression,
  };
  const last = STAGES.indexOf(input.until);
  const seconds = Object.fromEntries(STAGES.map((s, n) => [s, n <= last ? wall[s] : 0])) as Record<Stage, number>;
  const all = STAGES.reduce((sum, stage) => sum + seconds[stage], 0);
  const trains = last >= STAGES.indexOf('train');

  const shards = versions * rates.bytes.version * scale;
  const databases = records * rates.bytes.record * scale;
  const pairs = trains ? PAIRS * work.trainings * rates.bytes.pair : 0;
  const segments = trains ? work.segments * rates.bytes.aroundSegment : 0;
  const reached = (stage: Stage, bytes: number) => (STAGES.indexOf(stage) <= last ? bytes : 0);
  const store =
    fetch.bytes * (made ? 2 : 1) +
    reached('prepare', shards) +
    reached('label', databases) +
    pairs +
    segments +
    AROUND_RUN;

  const events = {
    pipeline: 190 + 4 * (fetch.files + work.shards + work.databases + (trains ? work.judgings : 0)),
    download: 30 + 12 * fetch.files,
    prepare: 40 + 11 * work.shards,
    label: 40 + 11 * work.databases,
    'a training': 40 + (15 * work.segments + 20 * work.judgings) / work.trainings,
  };
  return {
    rates: rates.from,
    fetch,
    work,
    seconds: { ...seconds, all, ofCards: trains ? ofCards : 0 },
    disk: {
      store,
      cpuWorker:
        (shards / Math.max(1, work.shards)) * machine.cores + (databases / Math.max(1, work.databases)) * machine.cores,
      gpuWorker: trains ? databases + 2 * rates.bytes.pair * cards : 0,
    },
    requests: {
      source: fetch.files + 1 + Math.ceil(fetch.bytes / SEGMENT_OF_UPLOAD),
      storePuts:
        Math.ceil(fetch.bytes / SEGMENT_OF_UPLOAD) +
        2 * fetch.files +
        2 * work.shards +
        work.databases +
        (trains ? 9 * work.segments + 2 * work.judgings : 0) +
        40,
      storeGets:
        2 * work.shards + work.shards * work.databases + (trains ? 8 * work.segments + 6 * work.judgings : 0) + 100,
    },
    histories: Object.entries(events).map(([workflow, n]) => ({
      ...{ workflow, events: Math.round(n) },
      verdict: n > HISTORY.most ? 'too long' : n > HISTORY.warn ? 'warning' : 'fits',
    })),
    money: prices && moneyOf(prices, seconds, trains ? ofCards : 0, machine, store),
  };
}

function moneyOf(
  { currency, perGpuHour, perCpuHour, perGbMonth }: Prices,
  seconds: Record<Stage, number>,
  ofCards: number,
  { cores }: Machine,
  store: number,
): NonNullable<Plan['money']> {
  const onCores = ((seconds.download + seconds.prepare + seconds.label + seconds.regress) / 3600) * cores;
  const hours = STAGES.reduce((sum, stage) => sum + seconds[stage], 0) / 3600;
  const storePerMonth = (store / 1e9) * perGbMonth;
  const [cards, cpu] = [(ofCards / 3600) * perGpuHour, onCores * perCpuHour];
  return { currency, cards, cores: cpu, storePerMonth, all: cards + cpu + (storePerMonth * hours) / MONTH_HOURS };
}
