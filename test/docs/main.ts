/** `npm run docs`: writes the reference pages. */
import { writeFile } from 'node:fs/promises';
import { REFERENCE_PAGES } from './reference.ts';

for (const [path, render] of Object.entries(REFERENCE_PAGES)) {
  await writeFile(new URL(`../../${path}`, import.meta.url), await render());
  console.log(path);
}
