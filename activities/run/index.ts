/** Activities of the run as a whole: its input, the keys of its stages, and their manifests. */

import { Context } from '@temporalio/activity';
import sdk from '@temporalio/worker/package.json' with { type: 'json' };
import sharp from 'sharp';
import { forkedInput, forkedRun } from '../../config/forks.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { differences } from '../../config/merge.ts';
import { resolveInput as checkInput, InputError } from '../../config/resolve.ts';
import { quote } from '../../lib/quote.ts';
import own from '../../package.json' with { type: 'json' };
import { isStored } from '../../storage/artifacts.ts';
import { contentKey } from '../../storage/content-key.ts';
import { getSoundJson, putJson, settleJson } from '../../storage/documents.ts';
import { waitUntilTidy } from '../../storage/gc-lock.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { needManifest, readManifest } from '../../storage/stage-outputs.ts';
import { CorruptObject } from '../../storage/store.ts';
import type { ActivityServices } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { type Tries, triesOf } from './attempt-counts.ts';
import { discard } from './discard.ts';
import { latestKey, needRecord, readRecord, runKey, stageKey } from './records.ts';
import type { OpenStageArgs, RunActivities, StageRecord } from './types.ts';

/** Far below the timeout of `closeStage`, which must succeed without a history too. */
const HISTORY_MS = 30_000;

export function createRunActivities({ store, env, log }: ActivityServices): RunActivities {
  const record = async (entry: StageRecord) => {
    await putJson(store, stageKey(entry.run, entry.name), entry, { overwrite: true });
  };

  /** Counts the attempts at the stage that is being closed; undefined where the history cannot be read. No stage fails because of that. */
  const readTries = async (): Promise<Tries | undefined> => {
    try {
      const { client, info } = Context.current();
      const { workflowId, runId } = info.workflowExecution!;
      const handle = client.workflow.getHandle(workflowId, runId);
      return triesOf(await client.withDeadline(Date.now() + HISTORY_MS, () => handle.fetchHistory()));
    } catch (error) {
      log.warn({ error: String(error) }, 'The history of the stage cannot be read: its attempts are not counted');
      return undefined;
    }
  };

  /** Merges the given input over that of the run that a fork starts from. */
  const wholeInput = async (given: PartialPipelineInput): Promise<PartialPipelineInput> => {
    const from = forkedRun(given);
    if (from === undefined) return given;
    const forked = await readRecord(store, from);
    if (forked === undefined) {
      throw new InputError(
        `Expected a run ${from} to fork in ${store.url}, got none: where the input says all, leave \`run\` out of \`training.forks\``,
      );
    }
    try {
      return forkedInput(forked.input, given);
    } catch (error) {
      throw new InputError((error as Error).message);
    }
  };

  return {
    async resolveInput({ run, input }) {
      try {
        const resolved = checkInput(await wholeInput(input));
        const content = {
          schemaVersion: 1,
          run,
          input: resolved,
          versions: await versions(),
          createdAt: new Date().toISOString(),
        };
        await putJson(store, runKey(run), content, { overwrite: true });
        return { run, input: resolved, ...(wantsSearchAttributes(env) && { searchAttributes: true }) };
      } catch (error) {
        throw error instanceof InputError ? finalFailure('BadInput', error.message) : error;
      }
    },

    async openStage({ run, name, ...what }) {
      const { stage } = what;
      const key = contentKey(what);
      const prefix = `stages/${stage}/${key}`;
      const opened = { run, name, ...what, key };
      const before = [stageKey(run, name), latestKey(name)].map(at =>
        getSoundJson<Opened & { reason?: string }>(store, at),
      );
      // Records without a reason belong to an attempt that ended before the next lines.
      const others = (await Promise.all(before)).filter(one => one?.reason !== '').filter(one => one !== undefined);
      // The record is written before the manifest is looked up, so that `gc` cannot remove the stage in between.
      await record({ ...opened, reused: false, reason: '', seconds: 0, finished: false });
      await waitUntilTidy(store);
      const manifest = await readManifest(store, prefix).catch(async error => {
        if (!(error instanceof CorruptObject)) throw error;
        log.warn(`${error.message}: the stage is made again`);
        await discard(error);
      });
      const reason = reasonOf(opened, manifest ?? undefined, others);
      const { seconds = 0, counts = {} } = manifest ?? {};
      const reused = Boolean(manifest);
      await record({ ...opened, reused, reason, seconds, finished: reused });
      await putJson(store, latestKey(name), opened, { overwrite: true });
      return { stage, key, prefix, finished: reused ? { counts, seconds } : null, reason, openedAt: Date.now() };
    },

    async closeStage({ openedAt, outputs, counts: figures, ...opened }) {
      const { run, name, stage, key, recipe, inputs, parameters } = opened;
      for (const [output, artifact] of Object.entries(outputs)) {
        if (!(await isStored(store, artifact))) {
          const got = (await store.head(artifact.key))?.size ?? 'nothing';
          throw new Error(
            `Expected ${output} of stage ${name} to be ${artifact.size} bytes at ${artifact.key}, got ${got}`,
          );
        }
      }
      // Another machine's clock may be behind that of the machine that opened the stage.
      const seconds = Math.max(0, Date.now() - openedAt) / 1000;
      // A training counts its own attempts, from the attempt logs of its segments.
      const counts = stage === 'train' ? figures : { ...figures, ...(await readTries()) };
      const own: Manifest = { schemaVersion: 1, stage, run, key, recipe, inputs, parameters, outputs, counts, seconds };
      // Another run may have closed the same stage first. Then its manifest counts.
      const { content: manifest } = await settleJson(store, `stages/${stage}/${key}/manifest.json`, own);
      const reason = (await getSoundJson<StageRecord>(store, stageKey(run, name)))?.reason ?? '';
      await record({ ...opened, reused: false, reason, seconds: manifest.seconds, finished: true });
      return manifest;
    },

    readRun: ({ run }) => needRecord(store, run),

    async readManifest(place) {
      const prefix = `stages/${place.stage}/${place.key}`;
      return needManifest(store, prefix).catch(async error => {
        if (!(error instanceof CorruptObject)) throw error;
        for await (const _ of store.list(`${prefix}/`)) throw error;
        throw finalFailure('BadInput', error.message);
      });
    },
  };
}

export async function versions(): Promise<Record<string, string>> {
  return {
    retinopathy: own.version,
    node: process.versions.node,
    temporalSdk: sdk.version,
    sharp: sharp.versions.sharp ?? 'unknown',
    libvips: sharp.versions.vips,
  };
}

type Opened = OpenStageArgs & { key: string };

/** Differences named before the rest is only counted. */
const SHOWN = 3;

/**
 * Returns why a stage is made or reused. @param others stages of the same name opened before; the one with the fewest differences explains
 * best
 */
function reasonOf(opened: Opened, finished: Manifest | undefined, others: readonly Opened[]): string {
  if (finished) return `same inputs and parameters as before${finished.run ? `: made by ${finished.run}` : ''}`;
  if (others.some(({ key }) => key === opened.key)) return 'begun before and not finished: what is there is used';
  const changes = others
    .map(other => differences(content(other), content(opened)))
    .sort((a, b) => a.length - b.length)[0];
  if (!changes) return 'nothing like it in the store';
  const more = changes.length > SHOWN ? ` and ${changes.length - SHOWN} more` : '';
  return `changed: ${changes.slice(0, SHOWN).join(', ')}${more}`;
}

function content({ recipe, inputs, parameters }: Opened): unknown {
  return { recipe, inputs, ...(parameters as object) };
}

/** Returns whether the pipeline sets search attributes. @throws Error with one line for a person when the setting is invalid */
export function wantsSearchAttributes({ RETINOPATHY_SEARCH_ATTRIBUTES: wanted }: NodeJS.ProcessEnv): boolean {
  if (wanted === undefined || wanted === '' || wanted === '0') return false;
  if (wanted === '1') return true;
  throw new Error(`Expected RETINOPATHY_SEARCH_ATTRIBUTES to be 1 or 0, got \`${quote(wanted)}\``);
}
