/** Estimates hours, bytes, requests, events and money from counts and rates. Pure. */
import type { PipelineInput } from '../../config/input.ts';
import { STAGES, type Stage } from '../../config/stages.ts';
import type { Rates } from './rates.ts';
import type { TrainingWork, Work } from './work.ts';

export interface Fetch {
  /** Bytes to download from the source. */
  bytes: number;
  /** True where the source listed the sizes, or the eyes were drawn. False where sizes are missing or those of the competition. */
  exact: boolean;
  files: number;
}

export interface Machine {
  /** Number of trainings at once: GPUs, or cores. */
  cards: number;
  /** Number of images at once. */
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
  /** Hardware that the training seconds refer to, and so what `money.cards` pays for. A core is not a GPU. */
  trainedOn: Rates['trainedOn'];
  fetch: Fetch;
  work: Work;
  /** Wall-clock seconds. */
  seconds: Record<Stage, number> & { all: number; ofCards: number };
  disk: { store: number; cpuWorker: number; gpuWorker: number };
  requests: { source: number; storePuts: number; storeGets: number };
  histories: { workflow: string; events: number; verdict: 'fits' | 'warning' | 'too long' }[];
  money: { currency: string; cards: number; cores: number; storePerMonth: number; all: number } | null;
}

/** Event counts of a history. Temporal warns at `warn` and ends it at `most`; a training continues in a new one at about `next`. */
const HISTORY = { warn: 10_240, most: 51_200, next: 4_200 };
const SEGMENT_OF_UPLOAD = 32 << 20;
/** Snapshots of a training at once: the last two, the best, and one that is being stored. */
const PAIRS = 4;
/** Bytes of a run's report, records and event files. */
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
  const fetched = work.forkOf === null ? fetch.bytes : 0;

  const each = work.networks.map(network => trainingSeconds(network, work, rates));
  const sum = (of: (training: (typeof each)[number]) => number) => each.reduce((total, one) => total + of(one), 0);
  const ofCards = sum(({ onCard }) => onCard);
  const cards = Math.max(1, Math.min(machine.cards, each.filter(({ all }) => all > 0).length));
  const wall: Record<Stage, number> = {
    download: fetched / rates.download + (made ? work.pictures * rates.drawing : 0),
    // A core works on one shard at a time, and the last few shards cannot be divided.
    prepare: Math.ceil(work.shards / machine.cores) * (work.pictures / work.shards) * rates.preparing,
    label: records * rates.labelling,
    // A training is a chain. With GPUs to spare, the stage takes as long as the longest training.
    train: Math.max(sum(({ all }) => all) / cards, ...each.map(({ all }) => all)),
    regress: 1 + work.pictures * rates.regression,
  };
  if (work.forkOf !== null) Object.assign(wall, { download: 0, prepare: 0, label: 0 });
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

  const trained = { segments: work.segments - work.shared.segments, judgings: work.judgings - work.shared.judgings };
  const longest = Math.max(...work.networks.map(({ epochs }) => epochs));
  const events = {
    pipeline: 190 + 4 * (fetch.files + work.shards + work.databases + (trains ? work.judgings : 0)),
    download: 30 + 12 * fetch.files,
    prepare: 40 + 11 * work.shards,
    label: 40 + 11 * work.databases,
    'a training': Math.min(HISTORY.next, 40 + longest * (7 * work.segmentsPerEpoch + 14)),
  };
  return {
    rates: rates.from,
    trainedOn: rates.trainedOn,
    fetch: { ...fetch, bytes: fetched },
    work,
    seconds: { ...seconds, all, ofCards: trains ? ofCards : 0 },
    disk: {
      store,
      cpuWorker:
        (shards / Math.max(1, work.shards)) * machine.cores + (databases / Math.max(1, work.databases)) * machine.cores,
      gpuWorker: trains ? databases + 2 * rates.bytes.pair * cards : 0,
    },
    requests: {
      source: fetch.files + 1 + Math.ceil(fetched / SEGMENT_OF_UPLOAD),
      storePuts:
        (work.forkOf === null ? putsBeforeTraining(fetch, work) : 0) +
        (trains ? 9 * trained.segments + 2 * trained.judgings : 0) +
        40,
      storeGets:
        (work.forkOf === null ? 2 * work.shards + work.shards * work.databases : 0) +
        (trains ? 8 * trained.segments + 6 * trained.judgings : 0) +
        100,
    },
    histories: Object.entries(events).map(([workflow, n]) => ({
      ...{ workflow, events: Math.round(n) },
      verdict: n > HISTORY.most ? 'too long' : n > HISTORY.warn ? 'warning' : 'fits',
    })),
    money: prices && moneyOf(prices, seconds, trains ? ofCards : 0, machine, store),
  };
}

/** Returns the GPU seconds of a training, and those with the idle time between tasks. A fork counts only its own epochs. */
function trainingSeconds(
  { epochs, shared }: TrainingWork,
  { records, segmentsPerEpoch, iterations, networks }: Work,
  { iteration, aroundSegment, judging, turnover }: Rates,
): { onCard: number; all: number } {
  const own = epochs - shared;
  if (own === 0) return { onCard: 0, all: 0 };
  const ofEpoch = iterations / networks.reduce((sum, network) => sum + network.epochs, 0);
  const onCard =
    own * (ofEpoch * iteration + segmentsPerEpoch * aroundSegment) +
    own * ((records.validation + records.sample) * judging.record + 2 * judging.around) +
    (records.validation + records.test) * judging.record +
    2 * judging.around;
  return { onCard, all: onCard + (own * (segmentsPerEpoch + 1) + 2) * turnover };
}

function putsBeforeTraining({ bytes, files }: Fetch, { shards, databases }: Work): number {
  return Math.ceil(bytes / SEGMENT_OF_UPLOAD) + 2 * files + 2 * shards + databases;
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
