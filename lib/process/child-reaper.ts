/**
 * The reaper: a small process that outlives this one by a moment. It kills the process groups that this one leaves behind.
 *
 * The system's parent-death signal reaches a child, but not the child's own children, and macOS has none. The reaper
 * knows every group and reads a pipe whose other end only this process holds. The pipe closes however this process ends.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/**
 * The reaper's script. It runs in a session of its own and ignores the signals that a terminal or service manager sends to all.
 * It kills only when the pipe closes.
 */
const SCRIPT = `
trap '' HUP INT QUIT TERM
groups=' '
while read -r change group; do
  case $change in
    +) groups="$groups$group " ;;
    -) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done 2>/dev/null
`;

const groups = new Set<number>();
let pipe: Writable | undefined;

/** Registers a group with the reaper. Starts the reaper when none runs. */
export async function guard(group: number): Promise<void> {
  groups.add(group);
  const open = pipe;
  if (open === undefined) start();
  else await tell(open, `+ ${group}\n`);
}

/** Removes a group whose processes have all ended. Its number may soon belong to another group. */
export function unguard(group: number): void {
  if (groups.delete(group) && pipe !== undefined) pipe.write(`- ${group}\n`);
}

function start(): void {
  const guardian = spawn('/bin/sh', ['-c', SCRIPT], {
    cwd: '/',
    env: {},
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const stdin = guardian.stdin;
  const restart = () => {
    if (pipe !== stdin) return;
    pipe = undefined;
    if (groups.size > 0) start();
  };
  guardian.once('exit', restart);
  guardian.once('error', restart);
  stdin.once('error', restart);
  guardian.unref();
  (stdin as Writable & { unref?(): void }).unref?.();
  pipe = stdin;
  for (const group of groups) stdin.write(`+ ${group}\n`);
}

/** Writes a line. Ignores a failed write, because the reaper then restarts and receives all groups. */
function tell(to: Writable, line: string): Promise<void> {
  return new Promise(resolve => {
    to.write(line, () => resolve());
  });
}
