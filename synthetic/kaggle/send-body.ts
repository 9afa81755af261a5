/** Sends the body of a response in large pieces, no faster than the client reads or a limit allows. Faults may break it off. */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BodyFaults } from './server-faults.ts';

export interface Body {
  /** Bytes. */
  size: number;
  read(offset: number, length: number): Promise<Buffer>;
}

/** Bytes of one read and write. Together with the socket's buffer they are the memory of a response of any length. */
export const PIECE = 1 << 20;
/** Pieces a second on a limited connection: smooth for measurements, and still few wake-ups with 20 connections. */
const PIECES_PER_SECOND = 25;
/** A connection that could not send in time may catch up on this much and no more. */
const CATCH_UP_MS = 100;

/** When a limited connection may send again, on the clock of `performance.now()`. A response starts where the one before it ended. */
const nextTurn = new WeakMap<Socket, number>();

/**
 * Sends the head that the caller has prepared with `statusCode` and `setHeader`, then the body.
 * @param onBytes gets the length of each piece before it is sent
 */
export async function sendBody(
  response: ServerResponse,
  body: Body,
  faults: BodyFaults = {},
  onBytes: (length: number) => void = () => {},
): Promise<void> {
  const { flipAt, bytesPerSecond } = faults;
  const end = endOf(faults, body.size);
  const most = bytesPerSecond === undefined ? PIECE : Math.floor(bytesPerSecond / PIECES_PER_SECOND);
  const piece = Math.max(1, Math.min(PIECE, most));
  for (let offset = 0; offset < end.at; ) {
    let bytes = await body.read(offset, Math.min(piece, end.at - offset));
    if (bytes.length === 0) throw new Error(`Expected a body of ${body.size} bytes, got ${offset}`);
    if (flipAt !== undefined && flipAt >= offset && flipAt < offset + bytes.length) {
      bytes = Buffer.from(bytes);
      bytes[flipAt - offset]! ^= 0x40;
    }
    if (bytesPerSecond !== undefined) await takeTurn(response.socket, bytes.length / bytesPerSecond);
    if (response.destroyed) return;
    onBytes(bytes.length);
    offset += bytes.length;
    if (!response.write(bytes)) await drained(response);
    if (response.destroyed) return;
  }
  await ENDINGS[end.by](response);
}

type Ending = 'end' | 'cut' | 'reset' | 'stall';

/** Returns where and how sending ends: at the first fault, or at the end of the body. */
function endOf({ cutAfter, resetAfter, stallAfter }: BodyFaults, size: number): { at: number; by: Ending } {
  const breaks = Object.entries({ cut: cutAfter, reset: resetAfter, stall: stallAfter })
    .filter(([, after]) => after !== undefined && (after === 0 || after < size))
    .map(([by, after]) => ({ at: after!, by: by as Ending }));
  return breaks.sort((a, b) => a.at - b.at)[0] ?? { at: size, by: 'end' };
}

const ENDINGS: Record<Ending, (response: ServerResponse) => Promise<void> | void> = {
  end: response => void response.end(),
  cut: ({ socket }) => socket?.destroySoon(),
  async reset(response) {
    const { socket } = response;
    if (!socket) return;
    // A reset discards data that has not been sent yet.
    await new Promise<void>(resolve => {
      socket.write('', () => resolve());
      response.once('close', resolve);
    });
    // resetAndDestroy() ends the stream first: a client sees FIN, and RST only afterwards. This is its second half alone.
    Object.assign(socket, { resetAndClosing: true }).destroy();
  },
  stall: () => {},
};

/** Waits until this connection may send data that takes so many seconds. */
async function takeTurn(socket: Socket | null, seconds: number): Promise<void> {
  if (!socket) return;
  const now = performance.now();
  const turn = Math.max(nextTurn.get(socket) ?? now, now - CATCH_UP_MS);
  nextTurn.set(socket, turn + seconds * 1000);
  if (turn > now) await sleep(turn - now);
}

/** Waits until the client has accepted the written data, or has disconnected. */
function drained(response: ServerResponse): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      response.off('drain', done);
      response.off('close', done);
      resolve();
    };
    response.on('drain', done);
    response.on('close', done);
    if (response.destroyed) done();
  });
}
