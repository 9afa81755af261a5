/** What a run needs, all of it real and within reach: Temporal's server, the workers, a store in S3 on a small disk, a metadata service. */
import { join } from 'node:path';
import { type Embedded, startEmbedded } from '../../cli/local/local-cluster.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { openOutFolder } from '../../cli/local/run-dir.ts';
import { findTemporalCli } from '../../lib/tools/temporal-cli.ts';
import { createS3Store } from '../../storage/s3.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { type FakeMetadata, startFakeMetadata } from '../support/instance-metadata.ts';
import { type S3Server, startS3 } from '../support/s3/s3.ts';
import { mountSmallDisk, type SmallDisk } from './small-disk.ts';

export interface Installation {
  embedded: Embedded;
  store: ArtifactStore;
  s3: S3Server;
  /** Undefined where this process may not mount one. */
  disk: SmallDisk | undefined;
  metadata: FakeMetadata;
  /** Processes that died and were started again, each with how it had ended. */
  restarts: string[];
  close(): Promise<void>;
}

/** Far more than a run of the demo needs. */
const DISK_MB = 2_000;

export async function install(folder: string): Promise<Installation> {
  const out = await openOutFolder(join(folder, 'out'));
  const closing: (() => Promise<void>)[] = [async () => out.release()];
  const close = async () => {
    for (const one of closing.splice(0).reverse()) await one();
  };
  try {
    const disk = await mountSmallDisk(join(folder, 'disk'), DISK_MB);
    if (disk) closing.push(() => disk.unmount());
    const s3 = await startS3(disk?.folder ?? folder);
    closing.push(() => s3.close());
    const metadata = await startFakeMetadata();
    closing.push(() => metadata.close());
    const restarts: string[] = [];
    const { path: temporal } = await findTemporalCli();
    const embedded = await startEmbedded({
      temporal,
      out,
      port: await choosePort(undefined, 0, '--port'),
      uiPort: await choosePort(undefined, 0, '--ui-port'),
      store: s3.url,
      env: { ...process.env, ...s3.env, AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.url },
      onRestart: (name, why) => restarts.push(`${name} (${why})`),
    });
    closing.push(() => embedded.stop());
    await embedded.startWorkers(['workflow', 'cpu', 'gpu']);
    const store = await createS3Store(s3.url, { env: s3.env });
    return { embedded, store, s3, disk, metadata, restarts, close };
  } catch (error) {
    await close();
    throw error;
  }
}
