/**
 * Names of processes and of their files, from which another process can later determine whether the process has ended. Plain
 * JavaScript, because the installer's lock needs it.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Returns `<host>~<pid>~<start>`. The start distinguishes a process from a later one with the same pid.
 * @param {number} [pid]
 */
export function processId(pid = process.pid) {
  return [hostKey(), pid, startTime(pid)].join('~');
}

/**
 * Returns a new name for an object that belongs to one process: `<host>~<pid>~<start>~<random>`.
 * @param {number} [pid]
 */
export function ownerName(pid = process.pid) {
  return `${processId(pid)}~${randomBytes(6).toString('hex')}`;
}

/**
 * Returns the state of the process in a name that `ownerName` made; undefined for any other text.
 * @param {string} name
 * @returns {'alive' | 'gone' | 'elsewhere' | undefined} `elsewhere`: on another machine or in another container, state unknown
 */
export function stateOfOwner(name) {
  if (!/^[\w.-]+~\d+~\w+~[0-9a-f]+$/.test(name)) return undefined;
  const [host, pid, start] = name.split('~');
  if (host !== hostKey()) return 'elsewhere';
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code === 'ESRCH') return 'gone';
  }
  return startTime(pid) === start ? 'alive' : 'gone';
}

/**
 * Returns the host's name with its pid namespace, if there is one. A pid is unique only within its namespace. A container
 * can have the host's name (`--network host`) and still a namespace of its own.
 */
function hostKey() {
  const host = hostname().replaceAll(/[^\w.-]/g, '_');
  try {
    return `${host}.${readlinkSync('/proc/self/ns/pid').replaceAll(/\D/g, '')}`;
  } catch {
    return host;
  }
}

/** Returns the clock ticks from boot to the process's start; `0` when /proc has no entry of it. */
function startTime(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in parentheses, may hold spaces, so fields are counted after it. Field 22 is the start time, field 3 the state.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : fields[19];
  } catch {
    return '0';
  }
}
