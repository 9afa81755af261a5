/** Names, exit status and output of worker processes, for the code that starts them. */

export const ROLES = ['workflow', 'cpu', 'gpu'] as const;
/** Work of a worker: workflow code only, activities that need CPU cores, or activities that need a GPU. */
export type Role = (typeof ROLES)[number];

/** Exit status of a worker of `npm start` that would fail in the same way after a restart. */
export const FINAL_EXIT = 78;

/** Line on standard output that says that the worker polls; its parent process waits for it. */
export const READY_LINE = 'worker ready';
