export interface FileLock {
  /** The lock lasts until that process has ended, too. */
  share(pid: number): void;
  release(): void;
}

/** Takes the lock `path`, waiting as long as another living process holds it. A dead process holds nothing. */
export function lockFile(
  path: string,
  options?: { onWait?: (pid: number, seconds: number) => void },
): Promise<FileLock>;
