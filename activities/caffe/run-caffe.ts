/** Runs a tool of Caffe and classifies its failures. */
import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import { runContained } from '../../lib/process/container.ts';
import { quote } from '../../lib/quote.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { type LogEvent, parseLogLine } from './caffe-log.ts';

/** Code of a CaffeError: Caffe could not read its initial snapshot. */
export const DAMAGED_SNAPSHOT = 'DAMAGED_SNAPSHOT';

/** Failure of Caffe that may not occur in another attempt. */
export class CaffeError extends Error {
  override readonly name = 'CaffeError';
  /** System error code or signal of a transient failure: `SIGKILL`, `ENOSPC`; or `DAMAGED_SNAPSHOT`. */
  readonly code: string | undefined;
  constructor(message: string, { code, ...options }: ErrorOptions & { code?: string | undefined } = {}) {
    super(message, options);
    this.code = code;
  }
}

export interface CaffeOptions {
  caffe: Caffe;
  /** Working folder; Caffe's files hold paths relative to it. */
  cwd: string;
  /** Kills the tool at once: no part of its work is used, so there is nothing to save. */
  signal: AbortSignal;
}

export interface CaffeRun extends CaffeOptions {
  onEvent: (event: LogEvent) => void;
  /** F lines of failures that no retry can fix; by default those about the configuration. */
  final?: RegExp;
}

/** F lines caused by a wrong net or by the files that it names. */
const CONFIGURATION =
  /File not found|Permission denied|Cannot write to snapshot prefix|mkdir .* failed|top_k must be|shape mismatch|Not Implemented|Error parsing text-format/i;
const DAMAGED =
  /Incorrect length of history blobs|Failed to parse (?:NetParameter|SolverState)|ReadProtoFromBinaryFile/;
const TAIL = 12;
/** Characters of a line that are parsed. */
const LONGEST_LINE = 4_096;
/** External terminations: a user or the out-of-memory killer ended the tool. */
const KILLED: Record<string | number, string> = {
  ...{ SIGKILL: 'SIGKILL', SIGTERM: 'SIGTERM' },
  ...{ 137: 'SIGKILL', 143: 'SIGTERM' },
};

/**
 * Runs a tool until it exits with code 0, which alone does not prove success.
 * @throws CaffeError for transient failures; a non-retryable failure if the net or its files are wrong; the signal's reason
 */
export async function runCaffe(
  tool: Parameters<Caffe['command']>[0],
  args: readonly string[],
  { caffe, cwd, signal, onEvent, final = CONFIGURATION }: CaffeRun,
): Promise<void> {
  const fatal: string[] = [];
  const {
    code,
    signal: killedBy,
    tail,
  } = await runContained(caffe.command(tool, args), {
    cwd,
    // Scratch folder of the worker process.
    owner: dirname(cwd),
    labels: activityLabels(),
    variables: [...Object.keys(caffe.env), 'CUDA_VISIBLE_DEVICES'],
    // Without GLOG_logtostderr, Caffe leaves a log file of every process in the folder of temporary files.
    env: { ...process.env, ...caffe.env, GLOG_logtostderr: '1' },
    signal,
    stopSignal: 'SIGKILL',
    onLine: line => {
      const event = parseLogLine(line.slice(0, LONGEST_LINE));
      if (!event) return;
      if (event.kind === 'fatal') fatal.push(event.message);
      onEvent(event);
    },
  });
  signal.throwIfAborted();
  if (code === 0) return;
  const [reason] = fatal;
  const end = killedBy ?? `exit code ${code}`;
  if (reason !== undefined && DAMAGED.test(reason))
    throw new CaffeError(`Expected a readable snapshot, got a damaged one: ${quote(reason, 300)}`, {
      code: DAMAGED_SNAPSHOT,
    });
  if (reason !== undefined && final.test(reason)) {
    throw finalFailure(
      'BadNetwork',
      `Expected Caffe to accept the network, got \`${quote(reason, 300)}\`: correct it or its files`,
    );
  }
  const said = quote(reason ?? tail.slice(-TAIL).join(' '), 1_000);
  throw new CaffeError(`Expected ${tool} to end well, got ${end}${said ? `: ${said}` : ''}`, {
    code: /No space left on device/.test(said) ? 'ENOSPC' : KILLED[killedBy ?? code ?? ''],
  });
}

/** Returns labels that show users in the engine's list of containers which activity owns a container. */
function activityLabels(): Record<string, string> {
  let info: Context['info'];
  try {
    ({ info } = Context.current());
  } catch {
    // A worker that tests its Caffe runs no activity.
    return {};
  }
  const { workflowExecution, activityType, attempt } = info;
  return {
    'retinopathy.workflow': workflowExecution?.workflowId ?? '',
    'retinopathy.activity': activityType,
    'retinopathy.attempt': String(attempt),
  };
}

/** Assigns the GPUs of this worker to activities, one each. */
export class Cards {
  private readonly find: ActivityServices['cards'];
  /** Numbers of the idle GPUs; undefined before the first use. */
  private free: number[] | undefined;

  constructor({ cards }: Pick<ActivityServices, 'cards'>) {
    this.find = cards;
  }

  /** Runs `work` with the arguments that make Caffe use an exclusive GPU; without arguments if this worker has no GPUs. */
  async use<Result>(work: (args: string[]) => Promise<Result>): Promise<Result> {
    const cards = await this.find();
    if (cards.length === 0) return work([]);
    this.free ??= cards.map(({ number }) => number);
    const card = this.free.shift();
    if (card === undefined)
      throw finalFailure('Defect', `Expected a slot a graphics card, got more at work than the ${cards.length} cards`);
    try {
      return await work([`--gpu=${card}`]);
    } finally {
      this.free.push(card);
    }
  }
}
