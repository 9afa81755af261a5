#!/usr/bin/env node
/** Entry point of the command, also in a fresh clone: installs missing packages, compiles changed sources, and runs the command. */
import './setup/preconditions.mjs';
import { compile } from './setup/compile.mjs';
import { install } from './setup/install.mjs';

// The reader of the output may leave (`| head -1`), or its disk may be full. The command continues without output.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

let main;
try {
  await install();
  main = await compile();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
// gRPC would otherwise print lines of its own.
process.env.GRPC_VERBOSITY ??= 'NONE';
if (main === undefined) (await import('tsx/esm/api')).register();
await import(main ?? './main.ts');
