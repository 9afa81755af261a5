/** A workflow whose activity never ends in time. */
import { bounded } from '../../workflows/activities.ts';

const activities = bounded<{ readRun(): Promise<void> }>({ startToCloseTimeout: '200ms' });

export async function slow(): Promise<void> {
  await activities.readRun.executeWithOptions({ summary: 'slow' }, []);
}
