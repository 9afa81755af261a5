/** A process that wants `<cache>/tool`: `builder.ts <cache> <milliseconds it takes to make>`. */
import { access, appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildOnce } from '../../bootstrap/cache.ts';

const [cache = '', ms] = process.argv.slice(2);
const folder = await buildOnce({
  cache,
  name: 'tool',
  fault: async () => null,
  async make(part) {
    await writeFile(join(part, 'first'), '');
    await sleep(Number(ms));
    await writeFile(join(part, 'last'), '');
    await appendFile(join(cache, 'made'), 'made\n');
  },
  report: line => console.log(line),
});
await access(join(folder, 'last'));
