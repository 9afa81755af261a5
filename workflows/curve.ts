/** Curves over the epochs, as they grow. Pure. */
import type { EpochPoint } from '../activities/progress-page/types.ts';

/** The curve with points that are new; what is said again of an epoch replaces what was known of it. */
export function joined(curve: readonly EpochPoint[], added: readonly EpochPoint[]): EpochPoint[] {
  const byEpoch = new Map([...curve, ...added].map(point => [point.epoch, point]));
  return [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch);
}

/** At most about so many points of it, the last one among them. */
export function thinned(curve: readonly EpochPoint[], most: number): EpochPoint[] {
  const every = Math.ceil(curve.length / most);
  return curve.filter((_, i) => (curve.length - 1 - i) % every === 0);
}
