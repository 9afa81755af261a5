/** Serves the synthetic eyes of the artifact store as Kaggle would. */
import { openArtifact } from '../../storage/artifacts.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type KaggleServer, type ServedFile, startKaggleServer } from './server.ts';

/**
 * Serves `<prefix>/files/*` of the store as the files of any requested competition, to any client on this machine. Synthetic eyes are no
 * secret, so a user's Kaggle credentials are not needed. Requires `<prefix>/manifest.json`.
 * @throws CorruptObject, also where the manifest is missing
 */
export async function serveEyes(store: ArtifactStore, prefix: string): Promise<KaggleServer> {
  const manifest = await needManifest(store, prefix);
  const folder = `${prefix}/files/`;
  const files = Object.entries(manifest.outputs)
    .filter(([, { key }]) => key.startsWith(folder))
    .map(async ([servedAs, artifact]): Promise<ServedFile> => {
      return {
        // A wrapped part is listed without its wrapper's extension.
        name: servedAs.replace(/(\.\d{3})\.zip$/, '$1'),
        servedAs,
        size: artifact.size,
        crc32c: artifact.crc32c,
        read: await openArtifact(store, artifact),
      };
    });
  return startKaggleServer({ competition: null, files: await Promise.all(files), token: null });
}
