/** Something of which a process has only so much (connections, segments under way), dealt out among the files it transfers. */

/** Gives one back. Idempotent. */
export type Release = () => void;

export interface PoolMember {
  /** Waits for one. Of those who wait, the file that holds the fewest is next. @throws the signal's reason */
  acquire(signal: AbortSignal): Promise<Release>;
}

export interface FairPool {
  readonly limit: number;
  /** One for each file. */
  join(): PoolMember;
}

interface Waiting {
  member: object;
  grant(): void;
}

export function createFairPool(limit: number): FairPool {
  const held = new Map<object, number>();
  const waiting: Waiting[] = [];
  let free = limit;

  const count = (member: object, change: number) => {
    free -= change;
    const now = (held.get(member) ?? 0) + change;
    if (now === 0) held.delete(member);
    else held.set(member, now);
  };

  const dealOut = () => {
    while (free > 0 && waiting.length > 0) {
      const load = waiting.map(({ member }) => held.get(member) ?? 0);
      const [next] = waiting.splice(load.indexOf(Math.min(...load)), 1);
      count(next!.member, 1);
      next!.grant();
    }
  };

  const releaseOf = (member: object): Release => {
    let mine = true;
    return () => {
      if (!mine) return;
      mine = false;
      count(member, -1);
      dealOut();
    };
  };

  return {
    limit,
    join() {
      const member = {};
      return {
        acquire: signal =>
          new Promise((resolve, reject) => {
            if (signal.aborted) return reject(signal.reason);
            const onAbort = () => {
              waiting.splice(waiting.indexOf(mine), 1);
              reject(signal.reason);
            };
            const mine: Waiting = {
              member,
              grant() {
                signal.removeEventListener('abort', onAbort);
                resolve(releaseOf(member));
              },
            };
            signal.addEventListener('abort', onAbort, { once: true });
            waiting.push(mine);
            dealOut();
          }),
      };
    },
  };
}
