/** A process that opens its scratch folders, says which they are, and holds them until its standard input ends. */
import { openScratch } from '../../workers/temp-dir.ts';

const folders = await openScratch('cpu', process.env).catch(error => {
  process.stdout.write(`${JSON.stringify({ error: error.message })}\n`);
  process.exit(1);
});
process.stdout.write(`${JSON.stringify(folders)}\n`);
process.stdin.resume();
process.stdin.once('end', () => void folders.close());
