/** What was set aside while the pictures were prepared. */
import { getIfThere } from '../../storage/files.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { parseQuarantine } from '../images/quarantine.ts';
import type { QuarantinedEntry } from '../images/types.ts';
import { readManifest } from './stored-files.ts';

/**
 * The lines of quarantine.jsonl; empty also where the stage or its list is not there.
 * @param label `stages/label/<key>`: its manifest names the pictures it was dealt from
 */
export async function readQuarantine(store: ArtifactStore, label: string): Promise<QuarantinedEntry[]> {
  const prepare = (await readManifest(store, label))?.inputs.prepare;
  if (prepare === undefined) return [];
  const list = (await readManifest(store, `stages/prepare/${prepare}`))?.outputs['quarantine.jsonl'];
  const lines = list && (await getIfThere(store, list.key));
  return lines ? parseQuarantine(lines.toString('utf8')) : [];
}
