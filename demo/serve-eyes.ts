/** Hands the made-up eyes of the artifact store out as Kaggle would. */
import type { Manifest } from '../storage/manifest.ts';
import type { ArtifactStore } from '../storage/store.ts';
import { type KaggleServer, type ServedFile, startKaggleServer } from './kaggle-server.ts';

/**
 * Serves `<prefix>/files/*` of the store as the files of whatever competition is asked for, to anybody on this machine: made-up
 * eyes are no secret, and a user's Kaggle credentials stay out of it. `<prefix>/manifest.json` must be there.
 * @throws ObjectNotFound
 */
export async function serveEyes(store: ArtifactStore, prefix: string): Promise<KaggleServer> {
  const manifest = JSON.parse((await store.get(`${prefix}/manifest.json`)).toString()) as Manifest;
  const folder = `${prefix}/files/`;
  const files = Object.values(manifest.outputs)
    .filter(({ key }) => key.startsWith(folder))
    .map(({ key, size, crc32c }): ServedFile => {
      const servedAs = key.slice(folder.length);
      return {
        // A wrapped part is listed without its wrapper's ending.
        name: servedAs.replace(/(\.\d{3})\.zip$/, '$1'),
        servedAs,
        size,
        crc32c,
        read: (offset, length) => store.get(key, { offset, length }),
      };
    });
  return startKaggleServer({ competition: null, files, token: null });
}
