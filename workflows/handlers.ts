/**
 * Registers the handlers of a workflow and validates all its external input: arguments, signals, updates and queries.
 * Invalid input never reaches a handler, so it cannot fail a workflow task, which the server would retry without end.
 */
import type { UpdateDefinition } from '@temporalio/common';
import {
  ApplicationFailure,
  defineSignal,
  log,
  type QueryDefinition,
  type SignalDefinition,
  // biome-ignore lint/style/noRestrictedImports: the one place that registers handlers
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { z } from 'zod';

export type Schemas = readonly z.ZodType[];
export type Values<Of extends Schemas> = { -readonly [I in keyof Of]: z.output<Of[I]> };

export type CheckedSignal<Args extends unknown[]> = SignalDefinition<Args> & { check: Check<Args> };
/** A user request: an update that answers, and a signal of the same name that does not. */
export interface Request<Answer, Args extends unknown[]> {
  update: UpdateDefinition<Answer, Args>;
  signal: CheckedSignal<Args>;
}

type Check<Value> = (given: unknown) => { value: Value } | { problem: string };

export function signalOf<const Of extends Schemas>(name: string, ...schemas: Of): CheckedSignal<Values<Of>> {
  return Object.assign(defineSignal<Values<Of>>(name), { check: checkArguments(schemas) });
}

/**
 * Passes a signal with valid arguments to `handler`, and ignores others.
 * @param onMisfit gets the description of the problem; by default it is logged once
 */
export function onSignal<Args extends unknown[]>(
  signal: CheckedSignal<Args>,
  handler: (...args: Args) => void | Promise<void>,
  {
    description,
    onMisfit = warnOnce(signal.name),
  }: { description?: string; onMisfit?: (problem: string) => void } = {},
): void {
  setHandler<void, Args, SignalDefinition<Args>>(
    signal,
    (...given) => {
      const checked = signal.check(given);
      return 'problem' in checked ? onMisfit(checked.problem) : handler(...checked.value);
    },
    { ...(description !== undefined && { description }) },
  );
}

/** Answers a query and ignores its arguments. */
export function onQuery<Answer>(query: QueryDefinition<Answer>, answer: () => Answer, description: string): void {
  setHandler(query, () => answer(), { description });
}

/** Handles both forms of a request. A refused update is rejected; for a refused signal, `note` gets the reason. */
export function onRequest<Answer, Args extends unknown[]>(
  { update, signal }: Request<Answer, Args>,
  {
    description,
    refusal,
    act,
    note,
  }: {
    description: string;
    /** Returns the reason why the request is refused now, or null if it is accepted. */
    refusal(...args: Args): string | null;
    act(...args: Args): Promise<Answer>;
    note(asked: string, refused: string): void;
  },
): void {
  const checked = (given: unknown): Args => {
    const result = signal.check(given);
    if ('problem' in result) throw ApplicationFailure.nonRetryable(`Refused: ${result.problem}`, 'Refused');
    return result.value;
  };
  setHandler<Answer, Args, UpdateDefinition<Answer, Args>>(update, (...given) => act(...checked(given)), {
    validator: (...given) => {
      const reason = refusal(...checked(given));
      if (reason !== null) throw ApplicationFailure.nonRetryable(`Refused: ${reason}`, 'Refused');
    },
    description,
  });
  const onMisfit = (problem: string) => note(signal.name, `refused: ${problem}`);
  onSignal(
    signal,
    async (...args) => {
      const reason = refusal(...args);
      if (reason === null) await act(...args);
      else onMisfit(reason);
    },
    { onMisfit },
  );
}

/** Validates the argument of a workflow. @throws ApplicationFailure, final, with the problem in one line */
export function argumentOf<Value>(schema: z.ZodType<Value>, given: unknown): Value {
  const checked = checkWith(schema, given);
  if ('value' in checked) return checked.value;
  throw ApplicationFailure.nonRetryable(
    `Expected ${workflowInfo().workflowType} to be started with an argument that it takes, got one that does not fit: ${checked.problem}`,
    'BadInput',
  );
}

/** Wraps a schema so that its error is the given words: `a split is 0, 1, 2 or 3, not 7`. */
export function inWords<Value>(schema: z.ZodType<Value>, words: string): z.ZodType<Value> {
  return z.unknown().transform((given, context) => {
    const { success, data } = schema.safeParse(given);
    if (success) return data;
    context.addIssue({ code: 'custom', message: `${words}, not ${clipped(JSON.stringify(given) ?? 'nothing', 80)}` });
    return z.NEVER;
  });
}

/** Accepts null as absent, because some tools send every field and use null for omitted ones. */
export function optional<Value>(schema: z.ZodType<Value>): z.ZodType<Value | undefined> {
  return schema.nullish().transform(value => value ?? undefined);
}

/** Ignores surplus arguments and reads null as absent, because some tools send both. */
function checkArguments<const Of extends Schemas>(schemas: Of): Check<Values<Of>> {
  const tuple = z.tuple(schemas as unknown as [z.ZodType]) as unknown as z.ZodType<Values<Of>>;
  return given =>
    checkWith(
      tuple,
      Array.from(schemas, (_, n) => (given as unknown[])[n] ?? undefined),
    );
}

function checkWith<Value>(schema: z.ZodType<Value>, given: unknown): ReturnType<Check<Value>> {
  const { success, data, error } = schema.safeParse(given);
  if (success) return { value: data };
  const { code, path = [], message = '' } = error.issues[0] ?? {};
  const at = code === 'custom' || path.length === 0 ? '' : `${path.join('.')}: `;
  return { problem: clipped(`${at}${message}`) };
}

/** Returns external text as one line of at most `most` characters, plus an ellipsis if it was longer. */
function clipped(text: string, most = 200): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length > most ? `${line.slice(0, most)}…` : line;
}

function warnOnce(signal: string): (problem: string) => void {
  let warned = false;
  return problem => {
    if (!warned) log.warn('A signal does not fit and is ignored, as are further ones', { signal, problem });
    warned = true;
  };
}
