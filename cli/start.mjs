#!/usr/bin/env node
/** Starts the command from a fresh clone as from an installed one: installs what is missing, then runs TypeScript in this process. */
import './node-version.mjs';
import { install } from './install.mjs';

try {
  await install();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
const { register } = await import('tsx/esm/api');
register();
const { exemptLoopback } = await import('../system/no-proxy.ts');
exemptLoopback();
await import('./main.ts');
