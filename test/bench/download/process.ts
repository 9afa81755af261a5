/** The processes of a bench, and what the system says about them. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type Child, type ChildOptions, startChild } from '../../../lib/process/child-process.ts';

/** A process that is killed when the bench is stopped: none of them has anything to save. */
export type ProcessOptions = Pick<ChildOptions, 'env' | 'onLine'> & { signal: AbortSignal };

export function startProcess(command: readonly string[], options: ProcessOptions): Promise<Child> {
  return startChild(command, { ...options, stopSignal: 'SIGKILL' });
}

/** Starts a TypeScript file of this folder in a process of its own; it finds `settings` in its first argument, as JSON. */
export function startScript(file: string, settings: object, options: ProcessOptions): Promise<Child> {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, '--import', import.meta.resolve('tsx'), script, JSON.stringify(settings)];
  return startProcess(command, options);
}

/**
 * A process's memory in bytes: what it has now (`VmRSS`) or the most that it has had (`VmHWM`); null where the system does not
 * tell (anything but Linux) or the process is gone.
 */
export async function memoryOf(pid: number | 'self', what: 'VmRSS' | 'VmHWM'): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1').catch(() => '');
  const kilobytes = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(status)?.[1];
  return kilobytes === undefined ? null : Number(kilobytes) * 1024;
}
