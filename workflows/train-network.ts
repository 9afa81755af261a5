/** Stage 4: one network, as a chain of segments; between two of them the workflow decides whether and how to go on. */
import { trainingAt, trainingOf } from '../config/forks.ts';
import { trainingName } from './names.ts';
import { trainingActivities } from './proxies.ts';
import { locate, required } from './standalone.ts';
import { type TrainArgs, Training, type TrainResult } from './training.ts';

export async function trainNetwork(args: TrainArgs = {}): Promise<TrainResult> {
  const training = await planned(args);
  const before = await training.open();
  if (before) return before;
  while (await training.goesOn()) {
    const { epoch, trained, endsEpoch } = await training.trainSegment();
    if (endsEpoch) await training.judge(epoch, trained);
    training.show();
  }
  await training.handTurnsOver();
  return (await training.openAsSteered()) ?? (await training.close());
}

async function planned(args: TrainArgs): Promise<Training> {
  const { run, input, upstream } = await locate(args, 'train');
  const heads = args.heads ?? [0];
  const name = trainingName(heads);
  const label = required(upstream, 'label', run);
  const what = {
    ...{ run, name, heads, label: `stages/label/${label}` },
    ...{ training: trainingOf(input.training, heads), images: input.images },
  };
  const plan = await trainingActivities.planTraining.executeWithOptions({ summary: `plan ${name}` }, [what]);
  const { earlyStop } = trainingAt(input.training, heads, Number.POSITIVE_INFINITY);
  return new Training(what, { label, plan, earlyStop, args });
}
