/** A process that stores objects one after the other until it is killed: `writer.ts <put|putLarge> <store URL> <prefix>`. */
import { crc32c } from '../../storage/checksum.ts';
import { putLarge } from '../../storage/large.ts';
import { openStore } from '../../storage/open.ts';
import type { ByteRange } from '../../storage/store.ts';
import { bytesOf } from './bytes.ts';

const [what, url, prefix] = process.argv.slice(2) as [string, string, string];
const store = await openStore(url);
const CHUNK = 1 << 20;

console.log('writing');
for (let n = 0; ; n++) {
  const key = `${prefix}/object-${n}`;
  if (what === 'put') {
    await store.put(key, bytesOf(n, 1 << 20));
  } else {
    const bytes = bytesOf(n, 4 * CHUNK);
    const read = async function* ({ offset, length }: ByteRange) {
      yield bytes.subarray(offset, offset + length);
    };
    await putLarge(store, key, { size: bytes.length, crc32c: crc32c(bytes), read }, { chunkSize: CHUNK });
  }
}
