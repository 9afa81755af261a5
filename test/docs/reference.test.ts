/** The reference pages say what the commands and the schema say. */
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { REFERENCE_PAGES } from './reference.ts';

test.each(Object.entries(REFERENCE_PAGES))('%s is current', async (path, render) => {
  const file = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
  const generated = await render();
  expect(generated, `${path} is not current: run \`npm run docs\` and commit it`).toBe(file);
});
