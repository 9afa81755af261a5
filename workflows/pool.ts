/**
 * Runs `work` for 0 … count − 1, at most `width` at once and in order of their number.
 * The first failure stops new work, and is thrown when what runs has ended.
 */
export async function pool<Result>(
  count: number,
  width: number,
  work: (n: number) => Promise<Result>,
): Promise<Result[]> {
  const results = new Array<Result>(count);
  let next = 0;
  let failed = false;
  const lane = async () => {
    while (next < count && !failed) {
      const n = next++;
      try {
        results[n] = await work(n);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, count) }, lane));
  for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason;
  return results;
}
