/** The activities of the download: thin, around the source, the transfer and the wrapper. */
import { withHeartbeat } from '../heartbeat.ts';
import { tally } from '../measures.ts';
import type { ActivityServices } from '../services.ts';
import { downloadLabels } from './download-labels.ts';
import { downloadPart } from './download-part.ts';
import { drawEyes } from './draw-eyes.ts';
import { createFairPool } from './fair-pool.ts';
import { createHttp } from './http.ts';
import { openSource } from './open-source.ts';
import { fingerprintOf, pickFiles } from './parts.ts';
import { checkRoom } from './room.ts';
import { type DownloadSettings, downloadSettings } from './settings.ts';
import type { ArchiveSource, SourceFile } from './source.ts';
import type { DownloadActivities, DownloadProgress, EyeActivities, ListFilesArgs } from './types.ts';

/** While one segment is on its way to the disk, its connection brings the next. */
const SEGMENTS_A_CONNECTION = 2;
/** Bytes that are counted at once. */
const COUNTED = 1 << 20;

/** Drawing takes cores, where the transfers take the network: other queues, other slots. */
export function createEyeActivities(services: ActivityServices): EyeActivities {
  return { drawEyes: args => withHeartbeat((report, signal) => drawEyes(services, args, report, signal)) };
}

export function createDownloadActivities(
  services: ActivityServices,
  { segments, patience, connections: limit, silenceMs }: DownloadSettings = downloadSettings(services.env),
): DownloadActivities {
  const { store, log } = services;
  const http = createHttp(services.env, silenceMs);
  const pools = { connections: createFairPool(limit), segments: createFairPool(SEGMENTS_A_CONNECTION * limit) };
  const warned = new Set<string>();
  const warn = (message: string) => {
    if (!warned.has(message)) log.warn(message);
    warned.add(message);
  };
  const open = (args: ListFilesArgs): Promise<ArchiveSource> => openSource(args, { services, http, patience, warn });
  const listed = ({ name, size }: SourceFile) => ({ name, size });

  return {
    listFiles: args =>
      withHeartbeat(async (_report, signal) => {
        const source = await open(args);
        const picked = pickFiles(await source.list(signal), args.archive, source.name);
        await checkRoom(store, source.folder, picked.parts);
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
          segments,
          pools,
          patience,
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
