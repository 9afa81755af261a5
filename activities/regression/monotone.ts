/**
 * Four networks that know nothing of each other may say P(y>1) > P(y>0), which cannot be. The nearest falling sequence (least
 * squares) by pooling adjacent violators.
 * @param p P(y>0), P(y>1), …
 */
export function fallingProbabilities(p: ArrayLike<number>): number[] {
  const blocks: { sum: number; size: number }[] = [];
  for (let k = 0; k < p.length; k++) {
    let block = { sum: p[k]!, size: 1 };
    for (let last = blocks.at(-1); last !== undefined; last = blocks.at(-1)) {
      if (last.sum / last.size >= block.sum / block.size) break;
      blocks.pop();
      block = { sum: last.sum + block.sum, size: last.size + block.size };
    }
    blocks.push(block);
  }
  return blocks.flatMap(({ sum, size }) => new Array<number>(size).fill(sum / size));
}

/** P(y = 0) … P(y = 4) from the four P(y>k) (Frank and Hall 2001), made monotone first. Sums to 1. */
export function stageProbabilities(p: ArrayLike<number>): number[] {
  const above = [1, ...fallingProbabilities(p), 0];
  return above.slice(0, -1).map((probability, k) => probability - above[k + 1]!);
}
