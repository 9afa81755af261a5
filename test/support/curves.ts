/** Tables of curves, for comparison. */

/** A table of curves without its last columns, `attempt` and `time`. */
export const withoutTimes = (curves: string): string => curves.replaceAll(/,[^,\n]*,[^,\n]*$/gm, '');
