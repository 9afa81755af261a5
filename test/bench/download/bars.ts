/** What the figures are held against. */
import type { Figures } from './measure.ts';
import { cpuOf, memoryCell, memoryOf, rateOf } from './tables.ts';

export interface Bar {
  what: string;
  /** As people read it. */
  wanted: string;
  got: string;
  met: boolean;
}

/** What each connection is held to in the second table, bytes a second, and the connections that the transfer may use. */
export const HELD = 25_000_000;
export const CONNECTIONS = 20;

/** Bytes a second at which nothing is left to gain: what the connections may carry, or what the machine gives. */
export const heldLimit = (free: Figures) => Math.min(CONNECTIONS * HELD, rateOf(free));

export interface Compared {
  name: string;
  free: Figures;
  /** With each connection held to a rate. */
  held: Figures;
  /** Bytes of memory that it may take. */
  memory: number;
}

export function barsOf(ours: readonly Compared[], aria2c: Figures | undefined): Bar[] {
  return ours.flatMap(({ name, free, held, memory }) => {
    const taken = memoryOf(free);
    const cpu = aria2c && cpuOf(free) / cpuOf(aria2c);
    const share = rateOf(held) / heldLimit(free);
    return [
      ...(cpu === undefined ? [] : [atMost(`${name}: CPU s/GB to aria2c's`, 2, cpu)]),
      ...(taken === null
        ? []
        : [
            {
              what: `${name}: memory`,
              wanted: `≤ ${memoryCell(memory)}`,
              got: memoryCell(taken),
              met: taken <= memory,
            },
          ]),
      atLeast(`${name}: share of limited connections`, 0.95, share),
    ];
  });
}

const atMost = (what: string, wanted: number, got: number): Bar => ({
  what,
  wanted: `≤ ${wanted}`,
  got: got.toFixed(2),
  met: got <= wanted,
});

const atLeast = (what: string, wanted: number, got: number): Bar => ({
  what,
  wanted: `≥ ${wanted}`,
  got: got.toFixed(2),
  met: got >= wanted,
});
