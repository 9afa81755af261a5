/**
 * Runs `work` for 0 … count − 1, at most `width` at once, started in ascending order.
 * After the first failure no new work starts. The failure is thrown when the running work has ended.
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
