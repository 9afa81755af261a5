/** Several writers, one commit: what is asked for while a commit is under way goes into the next one, all of it at once. */

/**
 * @param commit makes all of the items last; never called twice at once
 * @returns a function that resolves when its item lasts, and rejects with what the commit of its group throws
 */
export function groupCommit<Item>(commit: (items: readonly Item[]) => Promise<void>): (item: Item) => Promise<void> {
  let waiting: { items: Item[]; committed: Promise<void> } | undefined;
  let last: Promise<unknown> = Promise.resolve();
  return item => {
    if (!waiting) {
      const group = { items: [] as Item[], committed: Promise.resolve() };
      waiting = group;
      group.committed = last.then(() => {
        waiting = undefined;
        return commit(group.items);
      });
      last = group.committed.catch(() => undefined);
    }
    waiting.items.push(item);
    return waiting.committed;
  };
}
