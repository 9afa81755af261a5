/** The folder of a run under attack: an out folder that also remembers the kills, over any number of starts. */
import { appendFileSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Strike } from '../chaos/strike.ts';
import type { PipelineInput } from '../config/input.ts';
import { runId } from './execution.ts';
import { openOutFolder } from './out-folder.ts';

export interface ChaosFolder {
  path: string;
  /** File that says what was survived, there when all of it is done. */
  survived: string;
  /** In the order they came. */
  kills: Strike[];
  /** Keeps a kill that is new, or over now. */
  remember(kill: Strike): void;
}

/** Goes on with an attack that was stopped; one that came to its end, or was on another input, is removed first. */
export async function chaosFolder(path: string, input: PipelineInput): Promise<ChaosFolder> {
  const survived = join(path, 'survived.json');
  const log = join(path, 'kills.jsonl');
  const out = await openOutFolder(path);
  try {
    const [state, ended] = [await out.readState(), (await readdir(path)).includes(basename(survived))];
    if (ended || (state && state.run !== runId(input))) {
      for (const name of await readdir(path)) {
        if (name !== 'lock') await rm(join(path, name), { recursive: true, force: true });
      }
    }
  } finally {
    out.release();
  }
  const kills = parse(await readFile(log, 'utf8').catch(() => ''));
  return {
    ...{ path, survived, kills },
    remember(kill) {
      if (!kills.includes(kill)) kills.push(kill);
      appendFileSync(log, `${JSON.stringify(kill)}\n`);
    },
  };
}

/** The last line of each kill counts. */
function parse(lines: string): Strike[] {
  const all = lines
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as Strike);
  return [...new Map(all.map(kill => [`${kill.at} ${kill.name}`, kill])).values()];
}
