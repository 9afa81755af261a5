export interface FileLock {
  release(): void;
}

/** Takes the lock `path`, waiting as long as another living process holds it. A dead process holds nothing. */
export function lockFile(
  path: string,
  options?: { onWait?: (pid: number, seconds: number) => void },
): Promise<FileLock>;
