/** What belongs to the run as a whole: its input, the keys of its stages, their manifests. */
import { Context } from '@temporalio/activity';
import { forkedInput, forkedRun } from '../../config/forks.ts';
import type { PartialPipelineInput } from '../../config/input.ts';
import { resolveInput as checkInput, InputError } from '../../config/resolve.ts';
import { putJson } from '../../storage/files.ts';
import { contentKey } from '../../storage/keys.ts';
import type { Manifest } from '../../storage/manifest.ts';
import { waitUntilTidy } from '../../storage/tidying.ts';
import { finalFailure } from '../failures.ts';
import type { ActivityServices } from '../services.ts';
import { findReason } from './reason.ts';
import { claimKey, readManifest, readRecord, readStages, runKey, type StageRecord, stageKey } from './records.ts';
import { wantsSearchAttributes } from './searchable.ts';
import { type Tries, triesOf } from './tries.ts';
import type { RunActivities } from './types.ts';
import { versions } from './versions.ts';

/** Far below the timeout of closing a stage, which is to come to its end without a history too. */
const HISTORY_MS = 30_000;

export function createRunActivities({ store, env, log }: ActivityServices): RunActivities {
  const record = async (entry: StageRecord) => {
    await store.put(stageKey(entry.run, entry.name), json(entry), { overwrite: true });
  };

  /** What was tried for the stage that is being closed; undefined where nobody can tell: no stage fails for that. */
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

  /** Puts the input of the run that a fork comes from under what is given. */
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
        await store.put(runKey(run), json(content), { overwrite: true });
        return { run, input: resolved, ...(wantsSearchAttributes(env) && { searchAttributes: true }) };
      } catch (error) {
        throw error instanceof InputError ? finalFailure('BadInput', error.message) : error;
      }
    },

    async openStage({ run, name, stage, recipe, inputs, parameters }) {
      const key = contentKey({ stage, recipe, inputs, parameters });
      const prefix = `stages/${stage}/${key}`;
      const opened = { run, name, stage, key, recipe, inputs, parameters };
      // Before it is looked whether it is there, so that nobody removes it in between.
      await store.put(claimKey(run, name), json({ name, stage, key, finished: false }), { overwrite: true });
      await waitUntilTidy(store);
      const manifest = await readManifest(store, { stage, key });
      const reason = await findReason(store, opened);
      const { seconds = 0, counts = {} } = manifest ?? {};
      const reused = manifest !== undefined;
      await record({ ...opened, reused, reason, seconds, finished: reused });
      await store.remove(claimKey(run, name));
      return { stage, key, prefix, finished: reused ? { counts, seconds } : null, reason, openedAt: Date.now() };
    },

    async closeStage({ run, name, stage, recipe, inputs, parameters, key, openedAt, outputs, counts: figures }) {
      for (const [output, { key: at, offset = 0, size }] of Object.entries(outputs)) {
        const there = await store.head(at);
        const fits = there && (offset > 0 ? there.size >= offset + size : there.size === size);
        if (!fits) {
          throw new Error(
            `Expected ${output} of stage ${name} to be ${size} bytes at ${at}, got ${there?.size ?? 'nothing'}`,
          );
        }
      }
      // Another machine's clock may be behind the one that opened the stage.
      const seconds = Math.max(0, Date.now() - openedAt) / 1000;
      // A training has counted its own, by the journals of its segments.
      const counts = stage === 'train' ? figures : { ...figures, ...(await readTries()) };
      const own: Manifest = { schemaVersion: 1, stage, key, recipe, inputs, parameters, outputs, counts, seconds };
      await putJson(store, `stages/${stage}/${key}/manifest.json`, own);
      // Another run may have closed the same stage first: what it wrote is what counts.
      const manifest = (await readManifest(store, { stage, key })) ?? own;
      const reason = (await readStages(store, run)).find(entry => entry.name === name)?.reason ?? '';
      await record({
        run,
        name,
        stage,
        key,
        recipe,
        inputs,
        parameters,
        reused: false,
        reason,
        seconds: manifest.seconds,
        finished: true,
      });
      return manifest;
    },

    async readRun({ run }) {
      const record = await readRecord(store, run);
      if (record) return record;
      throw finalFailure(
        'BadInput',
        `Expected a run ${run} in ${store.url}, got none: start retinopathyPipeline first`,
      );
    },

    async readManifest(place) {
      const manifest = await readManifest(store, place);
      if (!manifest) {
        throw finalFailure(
          'BadInput',
          `Expected stages/${place.stage}/${place.key} to be finished in ${store.url}, got no manifest`,
        );
      }
      return manifest;
    },
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}
