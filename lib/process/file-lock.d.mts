export interface FileLock {
  /** Keeps the lock until that process has ended, too. */
  share(pid: number): void;
  release(): void;
}

/** Takes the lock `path`. Waits while another living process holds it. A dead process holds no lock. */
export function lockFile(
  path: string,
  options?: { onWait?: (pid: number, seconds: number) => void },
): Promise<FileLock>;
