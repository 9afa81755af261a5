/** Runs `npm ci` unless what is installed is what the lock file wants. */
export function install(options?: { root?: string; dev?: boolean }): Promise<void>;

/** Whether node_modules is what package-lock.json says; `dev`: with the packages that only tests need. */
export function isInstalled(root?: string, dev?: boolean): boolean;
