/** Runs `npm ci` unless the installed packages match the lock file. */
export function install(options?: { root?: string; dev?: boolean }): Promise<void>;

/** Returns whether node_modules matches package-lock.json; `dev`: with the packages that only tests need. */
export function isInstalled(root?: string, dev?: boolean): boolean;
