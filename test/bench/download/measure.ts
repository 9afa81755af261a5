/** Rounds of measurements: the clients in turn, so that what else the machine does falls on all of them alike. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyArtifact } from '../../../storage/artifacts.ts';
import { isLarge, removeLarge } from '../../../storage/large.ts';
import { openStore } from '../../../storage/open.ts';
import type { Client, Taken } from './clients.ts';
import type { BenchServer } from './kaggle.ts';

export interface Entry {
  name: string;
  client: Client;
  /** Where the client writes. */
  folder: string;
}

export interface Measurement {
  bytesPerSecond: number;
  cpuSecondsPerGB: number;
  memory: number | null;
  connections: number;
}

export interface Figures {
  name: string;
  /** One a round. */
  measurements: Measurement[];
}

export interface Rounds {
  entries: readonly Entry[];
  server: BenchServer;
  rounds: number;
  signal: AbortSignal;
  report(round: number, name: string, measurement: Measurement): void;
}

/** @throws Error when a client fails, or has brought other bytes than were served */
export async function measureRounds({ entries, server, rounds, signal, report }: Rounds): Promise<Figures[]> {
  const figures = entries.map(({ name }): Figures => ({ name, measurements: [] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [n, entry] of entries.entries()) {
      const measurement = await measure(entry, server, signal);
      figures[n]!.measurements.push(measurement);
      report(round, entry.name, measurement);
    }
  }
  return figures;
}

async function measure(
  { name, client, folder }: Entry,
  server: BenchServer,
  signal: AbortSignal,
): Promise<Measurement> {
  const place = join(folder, 'taken');
  await mkdir(place, { recursive: true });
  try {
    server.mostConnections();
    const taken = await client({ server, folder: place, signal });
    const connections = server.mostConnections();
    await verifyAndRemove(name, taken, server, signal);
    const bytes = server.files.reduce((sum, { size }) => sum + size, 0);
    return {
      bytesPerSecond: bytes / taken.seconds,
      cpuSecondsPerGB: taken.cpuSeconds / (bytes / 1e9),
      memory: taken.memory,
      connections,
    };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

async function verifyAndRemove(
  client: string,
  { store: url, keys }: Taken,
  { files }: BenchServer,
  signal: AbortSignal,
): Promise<void> {
  const store = await openStore(url);
  for (const [n, { name, size, crc32c }] of files.entries()) {
    signal.throwIfAborted();
    const key = keys[n]!;
    await verifyArtifact(store, { key, size, crc32c }).catch((error: Error) => {
      throw new Error(`Expected ${client} to bring ${name} as it is served: ${error.message}`, { cause: error });
    });
    if (isLarge({ key })) await removeLarge(store, key.slice(0, key.lastIndexOf('/')));
    else await store.remove(key);
  }
}
