/** What worker processes are called and say, for those that start them. */

export const ROLES = ['workflow', 'cpu', 'gpu'] as const;
/** What a worker does: workflow code only, activities that need cores, activities that need a graphics card. */
export type Role = (typeof ROLES)[number];

/** Printed on standard output when the worker polls, for whoever waits for it. */
export const READY_LINE = 'worker ready';
