/** Wraps a source whose files are in the store, which is the case for synthetic eyes. */
import { verifyArtifact } from '../../storage/artifacts.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { ArchiveSource } from './source.ts';

/**
 * Verifies each stored file from start to end before it is used. A corrupt file is drawn again, and not taken for another version.
 * @param prefix `stages/synthetic/<key>`
 */
export function storedSource(source: ArchiveSource, store: ArtifactStore, prefix: string): ArchiveSource {
  return {
    ...source,
    async open(file, signal, unless) {
      const { outputs } = await needManifest(store, prefix);
      const artifact = outputs[`${file}.zip`] ?? outputs[file];
      // A missing file could not be opened, so it is verified first. An unchanged file needs no verification.
      if (artifact && (await store.head(artifact.key)) === undefined) await verifyArtifact(store, artifact);
      const opened = await source.open(file, signal, unless);
      if (artifact && opened !== 'unchanged') await verifyArtifact(store, artifact);
      return opened;
    },
  };
}
