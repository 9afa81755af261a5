/** Stage 4: trains one network as a chain of segments, and decides after each segment whether and how to continue. */
import { continueAsNew, workflowInfo } from '@temporalio/workflow';
import { z } from 'zod';
import { trainingAt, trainingOf } from '../config/forks.ts';
import { layoutsOf } from '../config/training.ts';
import { planActivities } from './activities.ts';
import { argumentOf, optional } from './handlers.ts';
import { trainingName } from './ids.ts';
import { locate, required } from './stage-input.ts';
import { beginning, type TrainArgs, Training, type TrainingState, type TrainResult } from './training.ts';

export async function trainNetwork(args: TrainArgs = {}): Promise<TrainResult> {
  // State is accepted only from an earlier history of this workflow, never from a caller.
  const before = workflowInfo().continuedFromExecutionRunId === undefined ? undefined : args.state;
  const training = new Training(before ?? (await planned(args)));
  const finished = before ? null : await training.open();
  if (finished) return finished;
  while (await training.goesOn()) {
    const { epoch, trained, endsEpoch } = await training.trainSegment();
    if (endsEpoch) await training.judge(epoch, trained);
    training.show();
    await training.endLongHistory(state => continueAsNew<typeof trainNetwork>({ state }));
  }
  return (await training.openAsSteered()) ?? (await training.close());
}

const LAYOUTS = (['four-networks', 'four-heads'] as const).flatMap(layout => layoutsOf({ layout }));

const trainArgs = z.object({
  heads: optional(
    z.array(z.int()).refine(heads => LAYOUTS.some(layout => layout.join() === heads.join()), {
      error: `heads are one of ${LAYOUTS.map(layout => `[${layout}]`).join(', ')}`,
    }),
  ),
  budgeted: optional(z.boolean()),
});

async function planned(given: TrainArgs): Promise<TrainingState> {
  const { heads = [0], budgeted = false } = argumentOf(trainArgs, given);
  const { run, input, upstream } = await locate(given, 'train');
  const name = trainingName(heads);
  const label = required(upstream, 'label', run);
  const what = {
    ...{ run, name, heads, label: `stages/label/${label}` },
    ...{ training: trainingOf(input.training, heads), images: input.images },
  };
  const plan = await planActivities.planTraining.executeWithOptions({ summary: `plan ${name}` }, [what]);
  const { earlyStop } = trainingAt(input.training, heads, Number.POSITIVE_INFINITY);
  return beginning(what, { label, plan, earlyStop, budgeted });
}
