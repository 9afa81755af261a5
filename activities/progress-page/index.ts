/** The report of a run that goes on: what there is of it so far. */
import { runFolder } from '../../storage/key-names.ts';
import { storeOver } from '../regression/stored-files.ts';
import { readRecord } from '../run/records.ts';
import type { ActivityServices } from '../services.ts';
import { renderProgressPage } from './page.ts';
import type { ProgressPageActivities } from './types.ts';

export function createProgressPageActivities({ store }: ActivityServices): ProgressPageActivities {
  return {
    async writeProgressPage(args) {
      const record = await readRecord(store, args.run);
      const page = renderProgressPage(args, record?.createdAt ?? null, new Date());
      await storeOver(store, `${runFolder(args.run)}/report/report.html`, page);
    },
  };
}
