/** Root may read and write everything: what a test takes rights away from runs as somebody else. */

const NOBODY = 65534;

/** Runs the work as a user without rights. Whoever is one already stays who he is. */
export async function asOtherUser<Result>(work: () => Promise<Result>): Promise<Result> {
  const root = process.geteuid?.() === 0;
  if (root) process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    if (root) process.seteuid?.(0);
  }
}
