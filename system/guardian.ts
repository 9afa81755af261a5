/**
 * A small process that outlives this one by a moment, to kill the process groups this one leaves behind.
 *
 * The system's parent-death signal reaches a child, but not the child's own children, and macOS has none. The guardian
 * knows every group and reads a pipe whose other end only this process holds: however this process ends, the pipe closes.
 */
import { spawn } from 'node:child_process';
import type { Writable } from 'node:stream';

/** In a session of its own, deaf to what a terminal or a service manager sends to all: its one reason to act is the pipe. */
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

/** Resolves when the guardian has been told of the group. */
export async function guard(group: number): Promise<void> {
  groups.add(group);
  const open = pipe;
  if (open === undefined) start();
  else await tell(open, `+ ${group}\n`);
}

/** To be called when nothing of the group is left: its number may soon be another's. */
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

/** A write that fails is no error: the guardian is starting again, and begins with all groups. */
function tell(to: Writable, line: string): Promise<void> {
  return new Promise(resolve => {
    to.write(line, () => resolve());
  });
}
