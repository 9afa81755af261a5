/** A parent as the command is one: it has a child with children of its own, deaf to SIGTERM, and stops when npm leaves it. */
import { startChild } from '../../../lib/process/child-process.ts';
import { watchParents } from '../../../lib/process/parent-exit.ts';

const table = process.argv[2] === 'ps' ? 'ps' : 'proc';
await watchParents(
  reason => {
    console.log(reason);
    process.exit(1);
  },
  { table },
);
const deaf = `trap '' TERM HUP INT; sleep 1000 & sh -c 'sleep 1000 & echo ready; wait'`;
await startChild(['sh', '-c', deaf], {
  onLine: () => console.log(`family of ${process.pid}`),
});
