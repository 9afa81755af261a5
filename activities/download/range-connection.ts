/**
 * One connection that brings ranges of large files, into buffers of its own that are filled again and again.
 *
 * A client that gives every 64 KiB a new buffer has the collector mark the worker's whole heap for every 32 MiB that come, and the
 * system hand out and take back the pages: half of the time of a transfer (docs/benchmarks.md). It speaks as much of HTTP/1.1 as a
 * range of an object needs, an answer whose length is stated; whatever else comes, the connection is at its end.
 */
import { connect, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type AnswerHead, parseHead } from './answer-head.ts';

export interface ConnectionOptions {
  connectMs: number;
  /** Longest wait for an answer, and between two pieces of one. */
  silenceMs: number;
}

/**
 * Bytes of each buffer, and how many there are. One is always there to be filled: reading stops while it is the only one, with room
 * for the little that TLS has decrypted already and brings all the same.
 */
const BUFFER = 512 << 10;
const BUFFERS = 3;
/** What a slow connection has brought is handed on after this time, full buffer or not. */
const HAND_ON_MS = 250;
/** A server may close a kept connection at any moment after some seconds. */
const KEPT_MS = 4_000;

interface Piece {
  bytes: Buffer;
  /** To be filled again when the piece was used. */
  buffer: Buffer<ArrayBuffer> | undefined;
}

/** An error of the system's kind: with a code, and without an address. */
const coded = (code: string): Error => Object.assign(new Error(code), { code });

export class RangeConnection {
  readonly #socket: Socket;
  readonly #free = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(BUFFER));
  /** Where the system puts the next bytes; `#filled` of them are there, of which `#handedOn` have been passed on as a copy. */
  #filling = this.#free.pop()!;
  #filled = 0;
  #handedOn = 0;
  readonly #ready: Piece[] = [];
  #head: AnswerHead | undefined;
  /** Bytes of the body that are still to come; undefined while no answer has begun. */
  #left: number | undefined;
  #paused = false;
  #connected = false;
  #failure: Error | undefined;
  #keptSince = 0;
  #wake = () => {};

  private constructor(url: URL) {
    const where = { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || undefined };
    const onread = {
      buffer: () => this.#filling.subarray(this.#filled),
      callback: (bytes: number) => this.#take(bytes),
    };
    const ready = () => {
      this.#connected = true;
      this.#wake();
    };
    this.#socket =
      url.protocol === 'https:'
        ? connectTls(
            {
              port: 443,
              ...defined(where),
              ...(isIP(where.host) ? {} : { servername: where.host }),
              ALPNProtocols: ['http/1.1'],
              onread,
            } as never,
            ready,
          )
        : connect({ port: 80, ...defined(where), noDelay: true, onread } as unknown as NetConnectOpts, ready);
    this.#socket.on('error', error => this.#fail(error));
    this.#socket.on('close', () => this.#fail(coded('ECONNRESET')));
    // Nobody reads while all buffers are in use: that silence is our own.
    this.#socket.on('timeout', () => this.#paused || this.#socket.destroy(coded('ETIMEDOUT')));
  }

  /** @throws the system's error, or the signal's reason */
  static async open(
    url: URL,
    { connectMs, silenceMs }: ConnectionOptions,
    signal: AbortSignal,
  ): Promise<RangeConnection> {
    const connection = new RangeConnection(url);
    connection.#socket.setTimeout(connectMs);
    await connection.#until(() => connection.#connected, signal);
    connection.#socket.setTimeout(silenceMs);
    return connection;
  }

  /** Whether it may be used for another request. */
  get usable(): boolean {
    return this.#failure === undefined && performance.now() - this.#keptSince < KEPT_MS;
  }

  /** Sends a GET. @returns the head of the answer, of whatever status; its body is then read, or `end` is called */
  async get(
    { pathname, search, host }: URL,
    headers: Record<string, string>,
    signal: AbortSignal,
  ): Promise<AnswerHead> {
    this.#left = undefined;
    this.#head = undefined;
    this.#socket.ref();
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines.join('')}\r\n`);
    await this.#until(() => this.#head !== undefined, signal);
    return this.#head!;
  }

  /**
   * The body, in pieces that are good until the next one is asked for. Whoever leaves it early ends the connection.
   * @param keep called when the connection may be used again
   */
  async *body(length: number, signal: AbortSignal, keep: () => void): AsyncGenerator<Buffer> {
    let given = 0;
    let used: Buffer<ArrayBuffer> | undefined;
    const giveBack = () => {
      if (used) this.#free.push(used);
      used = undefined;
      this.#resume();
    };
    const slow = setInterval(() => this.#ready.length === 0 && this.#handOn(), HAND_ON_MS);
    try {
      while (given < length) {
        await this.#until(() => this.#ready.length > 0, signal);
        const { bytes, buffer } = this.#ready.shift()!;
        given += bytes.length;
        used = buffer;
        yield bytes;
        giveBack();
      }
    } finally {
      clearInterval(slow);
      giveBack();
      if (given === length && this.#failure === undefined) {
        this.#keptSince = performance.now();
        this.#socket.unref();
        keep();
      } else this.end();
    }
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Called by the socket with the number of bytes that it has put into the buffer. @returns whether to go on reading */
  #take(bytes: number): boolean {
    this.#filled += bytes;
    let ofBody = bytes;
    if (this.#left === undefined) {
      const rest = this.#takeHead();
      if (rest === undefined) return true;
      ofBody = rest;
    }
    this.#left! -= ofBody;
    if (this.#left! < 0) {
      // Which of them belong to the body nobody knows.
      this.#filled = this.#handedOn;
      this.#socket.destroy(coded('TOO_MANY_BYTES'));
      return false;
    }
    if (this.#left === 0 || this.#filled === BUFFER) this.#handOver();
    this.#paused = this.#free.length === 0;
    return !this.#paused;
  }

  /** @returns how many bytes of the body came with the head; undefined when the head is not there yet */
  #takeHead(): number | undefined {
    const end = this.#filling.subarray(0, this.#filled).indexOf('\r\n\r\n');
    if (end === -1) {
      if (this.#filled === BUFFER) this.#socket.destroy(coded('HEAD_TOO_LONG'));
      return undefined;
    }
    this.#head = parseHead(this.#filling.toString('latin1', 0, end));
    this.#left = this.#head.length ?? Number.POSITIVE_INFINITY;
    // To the front, without moving where the next bytes go: they follow behind.
    this.#handedOn = end + 4;
    this.#wake();
    return this.#filled - this.#handedOn;
  }

  /** Passes the buffer on, and takes the next one. */
  #handOver(): void {
    const full = this.#filling;
    if (this.#filled > this.#handedOn) {
      this.#ready.push({ bytes: full.subarray(this.#handedOn, this.#filled), buffer: full });
    } else this.#free.push(full);
    this.#filling = this.#free.pop()!;
    this.#filled = 0;
    this.#handedOn = 0;
    this.#wake();
  }

  #resume(): void {
    if (!this.#paused || this.#free.length === 0) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Passes on a copy of what is there: the system has been told where in this buffer the next bytes go. */
  #handOn(): void {
    if (this.#left === undefined || this.#filled === this.#handedOn) return;
    this.#ready.push({ bytes: Buffer.from(this.#filling.subarray(this.#handedOn, this.#filled)), buffer: undefined });
    this.#handedOn = this.#filled;
    this.#wake();
  }

  #fail(error: Error): void {
    this.#handOn();
    this.#failure ??= error;
    this.#wake();
  }

  async #until(come: () => boolean, signal: AbortSignal): Promise<void> {
    const onAbort = () => this.end();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal.aborted) onAbort();
      while (!come()) {
        signal.throwIfAborted();
        if (this.#failure) throw this.#failure;
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }
}

const defined = <Options extends object>(options: Options) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
