/** Stage 4: one network, as a chain of segments; between two of them the workflow decides whether and how to go on. */
import { log, patched, setCurrentDetails } from '@temporalio/workflow';
import type { OpenStageArgs } from '../activities/run/types.ts';
import type { TrainingArgs } from '../activities/training/types.ts';
import { trainingAt, trainingOf } from '../config/forks.ts';
import { Journey } from './journey.ts';
import { trainingName } from './names.ts';
import { type SplitProgress, splitsTable } from './progress.ts';
import { runActivities, trainingActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { withSoundPairs } from './sound-pairs.ts';
import { Spending } from './spending.ts';
import { listenToSteering, type StageResult, tellSplits } from './stage.ts';
import { locate, required, type StageArgs } from './standalone.ts';
import { TurnTaking } from './turn-taking.ts';

export interface TrainArgs extends StageArgs {
  /** `[k]` for the split <0..k>/<k+1..4>, `[0, 1, 2, 3]` for one network of four heads. */
  heads?: number[];
  /** Id of the workflow that deals turns on the graphics cards; without it the training takes them as it can. */
  turns?: string;
  /** Whether the run has a budget and wants to be asked before anything is spent on a graphics card. */
  asksToSpend?: boolean;
}

export interface TrainResult extends StageResult {
  splits: SplitProgress[];
}

export async function trainNetwork(args: TrainArgs = {}): Promise<TrainResult> {
  const { run, input, upstream } = await locate(args, 'train');
  const heads = args.heads ?? [0];
  const name = trainingName(heads);
  const label = required(upstream, 'label', run);
  const training: TrainingArgs = {
    run,
    name,
    heads,
    label: `stages/label/${label}`,
    training: trainingOf(input.training, heads),
    images: input.images,
  };

  const plan = await trainingActivities.planTraining.executeWithOptions({ summary: `plan ${name}` }, [training]);
  const journey = new Journey(name, heads, plan, trainingAt(input.training, heads, Number.POSITIVE_INFINITY).earlyStop);
  const turns = new TurnTaking(args.turns ?? null, name);
  const spending = new Spending(args.asksToSpend ?? false, name, plan.done);
  const { mayGoOn } = listenToSteering(steering => {
    if (steering.kind === 'stopEarly' && (steering.split === null || heads.includes(steering.split)))
      journey.stopEarly();
    if (steering.kind === 'extend') journey.extend(steering.epochs, steering.rate);
    if (steering.kind === 'withoutTurns') turns.giveUp();
    if (steering.kind === 'spend') spending.allow(steering.ceiling);
  });

  const stage = (): OpenStageArgs => ({
    run,
    name,
    stage: 'train',
    recipe: RECIPES.train,
    inputs: { label, origin: plan.origin },
    parameters: {
      ...{ heads, training: training.training, steeredTo: journey.steeredTo },
      ...(journey.rates.length > 0 && { rates: journey.rates }),
    },
  });
  let opened = await runActivities.openStage.executeWithOptions({ summary: `open ${name}` }, [stage()]);
  const { openedAt } = opened;
  const reused = (finished: NonNullable<typeof opened.finished>): TrainResult => {
    journey.recall(finished.counts);
    return {
      key: opened.key,
      prefix: opened.prefix,
      reused: true,
      seconds: finished.seconds,
      counts: finished.counts,
      splits: journey.splits,
    };
  };
  if (opened.finished) {
    if (patched('leave-when-reused')) await turns.leave();
    return reused(opened.finished);
  }

  const notes: string[] = [];
  const show = () =>
    setCurrentDetails(
      [`**${name}** · ${opened.reason}`, splitsTable(journey.splits), ...notes.map(note => `- ${note}`)].join('\n\n'),
    );
  /** Does what starts from a snapshot pair; where that one cannot be used, its segment is trained again first. */
  const fromPair = <Result>(work: () => Promise<Result>): Promise<Result> =>
    withSoundPairs(work, async ({ key, why, instead }) => {
      const segment = journey.segments.indexOf(key);
      log.warn('A snapshot pair cannot be used: its segment is trained again', { name, segment, why });
      notes.push(`segment ${segment + 1} is trained again: ${why}`);
      show();
      await spending.mayBegin('segment');
      await mayGoOn();
      const again = { ...training, segment, previous: journey.segments[segment - 1] ?? null, instead };
      const trained = await fromPair(async () =>
        trainingActivities.trainSegment.executeWithOptions(
          { summary: `${name} · segment ${segment + 1} again: its pair was ${instead?.reason ?? 'lost'}` },
          [{ ...again, ...journey.rateOf(segment), keep: journey.toKeep(), turn: await turns.take(segment) }],
        ),
      );
      journey.trainedAgain(trained);
      spending.trained(trained);
    });

  while (journey.goesOn()) {
    if (journey.segments.length >= plan.done.length) {
      await spending.mayBegin('segment', { left: journey.leftOfEpoch(), wanted: () => journey.goesOn() });
      // Where there is no money for another epoch, somebody may have stopped it.
      if (!journey.goesOn()) break;
    }
    await mayGoOn();
    // Or while it was paused.
    if (!journey.goesOn() && patched('stopped-while-paused')) break;
    const { segment, epoch, last } = journey.next();
    const [keep, drop] = [journey.toKeep(), journey.toDrop()];
    // What is done already answers at once.
    const turnAt = async (level: number) => (segment < plan.done.length ? undefined : turns.take(level));
    const trained = await fromPair(async () =>
      trainingActivities.trainSegment.executeWithOptions(
        { summary: `${name} · epoch ${epoch}/${journey.epochs} · segment ${segment + 1}` },
        [
          {
            ...training,
            segment,
            previous: journey.previous,
            ...journey.rateOf(segment),
            keep,
            drop,
            turn: await turnAt(segment),
          },
        ],
      ),
    );
    journey.trained(trained, drop);
    spending.trained(trained);
    if (last) {
      if (segment >= plan.done.length) await spending.mayBegin('judging');
      const judged = await fromPair(async () =>
        trainingActivities.evaluateSnapshot.executeWithOptions({ summary: `${name} · judge epoch ${epoch}` }, [
          // Before anybody's next segment, or the one that judges would fall behind.
          { ...training, snapshot: trained.key, epoch, turn: await turnAt(segment + 0.5) },
        ]),
      );
      journey.judged(judged);
      if (segment >= plan.done.length) spending.did('judging', judged.seconds);
      await tellSplits(name, journey.splits);
    }
    show();
  }

  await turns.leave();

  if (journey.steeredTo !== null) {
    // What was steered by hand is another result than the planned one: it gets a key of its own.
    opened = await runActivities.openStage.executeWithOptions({ summary: `open ${name} as steered` }, [stage()]);
    if (opened.finished) return reused(opened.finished);
  }
  const best = journey.best();
  await spending.mayBegin('scoring');
  const scored = await fromPair(() =>
    trainingActivities.scoreImages.executeWithOptions({ summary: `${name} · score with epoch ${best.epoch}` }, [
      { ...training, prefix: opened.prefix, snapshot: best.snapshot },
    ]),
  );
  spending.did('scoring', scored.seconds);
  await spending.end();
  const curves = await trainingActivities.collectCurves.executeWithOptions({ summary: `${name} · curves` }, [
    {
      ...{ ...training, prefix: opened.prefix, segments: journey.segments, evaluations: journey.evaluations },
      ...{ keep: journey.toKeep(), drop: journey.toDrop({ atLast: true }) },
    },
  ]);
  const manifest = await runActivities.closeStage.executeWithOptions({ summary: `close ${name}` }, [
    {
      ...stage(),
      key: opened.key,
      openedAt,
      outputs: { 'scores.csv': scored.scores, 'curves.csv': curves },
      counts: journey.counts(),
    },
  ]);
  return {
    key: opened.key,
    prefix: opened.prefix,
    reused: false,
    seconds: manifest.seconds,
    counts: manifest.counts,
    splits: journey.splits,
  };
}
