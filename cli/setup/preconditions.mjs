/** Imported before anything else, because later code would fail here with an unhelpful message. */
import { join } from 'node:path';

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  refuse(`Expected Node 20.19 or newer, got ${process.versions.node}: install one from https://nodejs.org`);
}
// Webpack and esbuild give these characters in a path a meaning of their own.
const folder = join(import.meta.dirname, '..', '..');
if (/[!?]/.test(folder)) {
  refuse(`Expected the folder of this project to have no ! and no ? in its path, got ${folder}: move or rename it`);
}

function refuse(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
