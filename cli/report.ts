/** `retinopathy report`: a run's report, out of the store. */
import { resolve } from 'node:path';
import { runFolder } from '../storage/key-names.ts';
import { openStore } from '../storage/open.ts';
import { copyReport } from './copy-report.ts';
import { UserError } from './user-error.ts';

export async function report(run: string, options: { to: string; store?: string }): Promise<number> {
  const url = options.store ?? process.env.RETINOPATHY_STORE;
  if (!url) throw new UserError('Expected --store or RETINOPATHY_STORE to name the store, got nothing');
  const folder = resolve(options.to);
  await copyReport(await openStore(url), `${runFolder(run)}/report/`, folder);
  process.stdout.write(`${folder}\n`);
  return 0;
}
