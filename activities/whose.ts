/** Whose work an activity does: what logs and measures of all stages are told apart by. */
import type { Context } from '@temporalio/activity';

export interface Whose {
  /** Id of the run: of the pipeline's workflow, or of a stage's that was started on its own. */
  run: string;
  /** `01-vs-234`, or `four-heads`: in training only. */
  split?: string;
}

const TRAINING = /^train-(\d+-vs-\d+|four-heads)$/;
const known = new WeakMap<Context, Whose>();

/** By the ids that the pipeline gives its stages: `<run>/download`, `<run>/train-01-vs-234`. */
export function whoseWorkflow(type: string, id: string): Whose {
  const slash = id.lastIndexOf('/');
  if (type === 'retinopathyPipeline' || slash === -1) return { run: id };
  const split = TRAINING.exec(id.slice(slash + 1))?.[1];
  return { run: id.slice(0, slash), ...(split !== undefined && { split }) };
}

/** Notes whose work the activity of this context does; its arguments say it also where a stage has an id of another kind. */
export function noteWhose(context: Context, [args]: readonly unknown[]): void {
  const { run, name } = Object(args) as { run?: unknown; name?: unknown };
  const whose = byId(context);
  if (typeof run === 'string') whose.run = run;
  const split = typeof name === 'string' ? TRAINING.exec(name)?.[1] : undefined;
  if (split !== undefined) whose.split = split;
  known.set(context, whose);
}

export function whoseActivity(context: Context): Whose {
  return known.get(context) ?? byId(context);
}

function byId({ info }: Context): Whose {
  return whoseWorkflow(info.workflowType ?? '', info.workflowExecution?.workflowId ?? info.activityId);
}
