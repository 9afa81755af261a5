/** A process that stores objects one after the other until it is killed: `writer.ts <put|upload> <store URL> <prefix>`. */
import { crc32c } from '../../storage/checksum.ts';
import { openStore } from '../../storage/open.ts';
import { bytesOf } from './bytes.ts';

const [what, url, prefix] = process.argv.slice(2) as [string, string, string];
const store = await openStore(url);
const PARTS = 4;
const PART = 5 << 20;

console.log('writing');
for (let n = 0; ; n++) {
  const key = `${prefix}/object-${n}`;
  if (what === 'put') {
    await store.put(key, bytesOf(n, 1 << 20));
  } else {
    const bytes = bytesOf(n, PARTS * PART);
    const upload = await store.openUpload(key, { size: bytes.length, partSize: PART, sourceTag: `made-${n}` });
    for (let part = 0; part < PARTS; part++) {
      const piece = bytes.subarray(part * PART, (part + 1) * PART);
      await upload.put(part, piece, crc32c(piece));
    }
    await upload.complete(crc32c(bytes));
    await upload.close();
  }
}
