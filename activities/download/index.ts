/** Activities of the download: thin wrappers around the source, the transfer and the one-entry zip. */
import pLimit from 'p-limit';
import type { ActivityServices } from '../dependencies.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { tally } from '../metrics.ts';
import { downloadLabels } from './download-labels.ts';
import { downloadPart } from './download-part.ts';
import { checkFreeSpace } from './free-space.ts';
import { drawEyes } from './generate-synthetic.ts';
import { createHttp } from './http.ts';
import { openSource } from './open-source.ts';
import { fingerprintOf, pickFiles } from './select-files.ts';
import { type DownloadSettings, downloadSettings } from './settings.ts';
import type { ArchiveSource, SourceFile } from './source.ts';
import { storedSource } from './stored-source.ts';
import type { DownloadActivities, DownloadProgress, EyeActivities, ListFilesArgs } from './types.ts';

/** Step, in bytes, in which the counter of fetched bytes grows. */
const COUNTED = 1 << 20;

/**
 * Returns the activity that draws synthetic eyes. Drawing takes cores and transfers take the network, so their queues and slots differ.
 */
export function createEyeActivities(services: ActivityServices): EyeActivities {
  return { drawEyes: args => withHeartbeat((report, signal) => drawEyes(services, args, report, signal)) };
}

export function createDownloadActivities(
  services: ActivityServices,
  { chunkSize, patience, connections: atOnce, silenceMs, slowMs }: DownloadSettings = downloadSettings(services.env),
): DownloadActivities {
  const { store, log } = services;
  const http = createHttp(services.env, silenceMs);
  const connections = pLimit(atOnce);
  const warned = new Set<string>();
  const warn = (message: string) => {
    if (!warned.has(message)) log.warn(message);
    warned.add(message);
  };
  const open = async (args: ListFilesArgs): Promise<ArchiveSource> => {
    const source = await openSource(args, { services, http, patience, warn });
    return args.source === 'synthetic' && args.synthetic !== null
      ? storedSource(source, store, args.synthetic)
      : source;
  };
  const listed = ({ name, size }: SourceFile) => ({ name, size });

  return {
    listFiles: args =>
      withHeartbeat(async (_report, signal) => {
        const source = await open(args);
        const picked = pickFiles(await source.list(signal), args.archive, source.name);
        await checkFreeSpace(store, source.folder, picked.parts);
        return {
          folder: source.folder,
          fingerprint: fingerprintOf(source.folder, picked),
          parts: picked.parts.map(listed),
          labels: picked.labels && listed(picked.labels),
          ...(picked.sample && { sample: listed(picked.sample) }),
        };
      }),

    downloadPart: args =>
      withHeartbeat<DownloadProgress, Awaited<ReturnType<typeof downloadPart>>>(async (report, signal) => {
        const { name } = args.file;
        const start = performance.now();
        const bytesFetched = tally('fetchedBytes', COUNTED);
        return downloadPart(name, {
          source: await open(args),
          folder: args.folder,
          store,
          log,
          chunkSize,
          connections,
          patience,
          slowMs,
          signal,
          onProgress({ bytes, of, fetched }) {
            const seconds = (performance.now() - start) / 1000;
            bytesFetched.at(fetched);
            report({ part: name, bytes, of, bytesPerSecond: Math.round(fetched / Math.max(seconds, 0.001)) });
          },
        }).finally(bytesFetched.end);
      }),

    downloadLabels: args =>
      withHeartbeat(async (_report, signal) =>
        downloadLabels(args.file.name, {
          source: await open(args),
          folder: args.folder,
          ...(args.as !== undefined && { as: args.as }),
          store,
          patience,
          signal,
        }),
      ),
  };
}
