/** A process that wants `<cache>/tool`, and makes it as soon as there is `<cache>/go`: `builder.ts <cache>`. */
import { access, appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildOnce } from '../../../lib/tools/cache.ts';

const [cache = ''] = process.argv.slice(2);
const isThere = (file: string) =>
  access(join(cache, file)).then(
    () => true,
    () => false,
  );
const folder = await buildOnce({
  cache,
  name: 'tool',
  tool: 'the tool',
  fault: async () => null,
  async make(part) {
    await writeFile(join(part, 'first'), '');
    while (!(await isThere('go'))) await sleep(20);
    await writeFile(join(part, 'last'), '');
    await appendFile(join(cache, 'made'), 'made\n');
  },
  report: line => console.log(line),
});
await access(join(folder, 'last'));
