/** Runs a tool of Caffe and says why it ended. */
import { dirname } from 'node:path';
import { Context } from '@temporalio/activity';
import { runContained } from '../../system/container.ts';
import { finalFailure } from '../failures.ts';
import type { Caffe } from '../services.ts';
import { type LogEvent, parseLogLine } from './caffe-log.ts';

/** Code of a CaffeError: Caffe could not read the snapshot it was to start from. */
export const DAMAGED_SNAPSHOT = 'DAMAGED_SNAPSHOT';

/** Caffe ended without success, in a way that another attempt may not meet. */
export class CaffeError extends Error {
  override readonly name = 'CaffeError';
  /** The system's own code or signal, for what passes without end: `SIGKILL`, `ENOSPC`; or `DAMAGED_SNAPSHOT`. */
  readonly code: string | undefined;
  constructor(message: string, { code, ...options }: ErrorOptions & { code?: string | undefined } = {}) {
    super(message, options);
    this.code = code;
  }
}

export interface CaffeOptions {
  caffe: Caffe;
  /** The folder it runs in: Caffe's files hold paths relative to it. */
  cwd: string;
  /** Kills the tool: no part of its work is used, so there is nothing to save. */
  signal: AbortSignal;
}

export interface CaffeRun extends CaffeOptions {
  onEvent: (event: LogEvent) => void;
  /** F lines that no retry can cure; default those that speak of the configuration. */
  final?: RegExp;
}

/** F lines that say that the net or the files it names are wrong. */
const CONFIGURATION =
  /File not found|Permission denied|Cannot write to snapshot prefix|mkdir .* failed|top_k must be|shape mismatch|Not Implemented|Error parsing text-format/i;
const DAMAGED =
  /Incorrect length of history blobs|Failed to parse (?:NetParameter|SolverState)|ReadProtoFromBinaryFile/;
const TAIL = 12;
/** Ends that come from outside: somebody killed it, or the system did for want of memory. */
const KILLED: Record<string | number, string> = {
  ...{ SIGKILL: 'SIGKILL', SIGTERM: 'SIGTERM' },
  ...{ 137: 'SIGKILL', 143: 'SIGTERM' },
};

/**
 * Resolves when the tool ended with code 0; that alone proves no success.
 * @throws CaffeError for what may pass; a non-retryable failure where the net or its files are wrong; the signal's reason
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
    // The scratch folder of the worker process.
    owner: dirname(cwd),
    labels: activityLabels(),
    variables: [...Object.keys(caffe.env), 'CUDA_VISIBLE_DEVICES'],
    // Caffe leaves a log file for every process in the folder of temporary files, unless it is told where to write.
    env: { ...process.env, ...caffe.env, GLOG_logtostderr: '1' },
    signal,
    stopSignal: 'SIGKILL',
    onLine: line => {
      const event = parseLogLine(line);
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
    throw new CaffeError(`Expected a readable snapshot, got a damaged one: ${reason}`, { code: DAMAGED_SNAPSHOT });
  if (reason !== undefined && final.test(reason)) {
    throw finalFailure(
      'BadNetwork',
      `Expected Caffe to accept the network, got \`${reason}\`: correct it or its files`,
    );
  }
  const said = reason ?? tail.slice(-TAIL).join('\n');
  throw new CaffeError(`Expected ${tool} to end well, got ${end}${said ? `: ${said}` : ''}`, {
    code: /No space left on device/.test(said) ? 'ENOSPC' : KILLED[killedBy ?? code ?? ''],
  });
}

/** Whose work it is, for people who look at the engine's list of containers. */
function activityLabels(): Record<string, string> {
  let info: Context['info'];
  try {
    ({ info } = Context.current());
  } catch {
    // A worker that tries its Caffe runs no activity.
    return {};
  }
  const { workflowExecution, activityType, attempt } = info;
  return {
    'retinopathy.workflow': workflowExecution?.workflowId ?? '',
    'retinopathy.activity': activityType,
    'retinopathy.attempt': String(attempt),
  };
}
