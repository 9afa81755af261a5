/** Rounds of measurements: the clients in turn, so that what else the machine does falls on all of them alike. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32c } from '../../storage/checksum.ts';
import { openStore } from '../../storage/open.ts';
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

/** Bytes read at once. */
const PIECE = 16 << 20;

async function verifyAndRemove(
  client: string,
  { store: url, keys }: Taken,
  { files }: BenchServer,
  signal: AbortSignal,
): Promise<void> {
  const store = await openStore(url);
  for (const [n, file] of files.entries()) {
    const key = keys[n]!;
    const size = (await store.head(key))?.size;
    let crc = 0;
    for (let offset = 0; offset < file.size; offset += PIECE) {
      signal.throwIfAborted();
      crc = crc32c(await store.get(key, { offset, length: PIECE }), crc);
    }
    if (size !== file.size || crc !== file.crc32c) {
      throw new Error(
        `Expected ${file.name} by ${client} to be ${file.size} bytes of CRC-32C ${file.crc32c}, got ${size} of ${crc}`,
      );
    }
    await store.remove(key);
  }
}
