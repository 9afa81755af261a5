/** Reads the body at an address, slowly at first, and prints its length and SHA-256. A process of its own: it trusts what its environment says. */
import { createHash } from 'node:crypto';
import { createHttp } from '../../activities/download/http.ts';

const url = new URL(process.argv[2]!);
const signal = new AbortController().signal;
const { body } = await createHttp({}, 5_000).stream(url, { signal });
const hash = createHash('sha256');
let length = 0;
for await (const piece of body) {
  // Long enough for all buffers to fill while nobody takes them.
  if (length === 0) await new Promise(resolve => setTimeout(resolve, 300));
  hash.update(piece);
  length += piece.length;
}
process.stdout.write(`${length} ${hash.digest('hex')}\n`);
