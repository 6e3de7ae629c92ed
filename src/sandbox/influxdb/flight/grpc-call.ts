/**
 * One gRPC call as the server sees it, on a stream of HTTP/2: messages in, messages out, a status at the end.
 * https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 *
 * Written over node:http2 and not with grpc-js: the client under test is built on grpc-js, and the knobs (a
 * reset with a code, no trailers) and tonic's way of encoding texts are out of reach there.
 *
 * Invariants: `signal` aborts when the client has gone, when its time is up and when the server stops;
 * nothing is sent after `over`.
 */
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

import { GrpcStatus, responseHeaders, statusCode, trailersOf } from "./grpc-status.ts";

/** tonic's limit of what it reads. */
const maxRequestBytes = 4 * 1024 * 1024;
const prefixBytes = 5;
const maxTimerMs = 0x7fff_ffff;

export class GrpcCall {
  /** In lower case, as HTTP/2 has them. */
  readonly headers: IncomingHttpHeaders;
  readonly #stream: ServerHttp2Stream;
  readonly #ending = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;
  #trailers: Record<string, string> = {};
  #over = false;

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders) {
    this.headers = headers;
    this.#stream = stream;
    stream.on("error", () => undefined);
    stream.once("close", () => this.abort(new Error("the client has gone")));
    stream.once("wantTrailers", () => stream.sendTrailers(this.#trailers));
    const timeoutMs = timeoutOf(headers["grpc-timeout"]);
    if (timeoutMs === undefined) return;
    const elapsed = (): void =>
      this.abort(new GrpcStatus(statusCode.resourceExhausted, "grpc-timeout elapsed"));
    this.#timer = setTimeout(elapsed, Math.min(timeoutMs, maxTimerMs));
  }

  /** The reason is a `GrpcStatus` where the server ends the call. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  /** The status was sent, a knob has ended the call, or the client has. */
  get over(): boolean {
    return this.#over || this.#stream.destroyed || this.#stream.closed;
  }

  abort(reason: Error): void {
    this.#ending.abort(reason);
  }

  /** Throws `GrpcStatus` for what tonic refuses to read. */
  async *requests(): AsyncGenerator<Uint8Array> {
    let buffered: Uint8Array = new Uint8Array();
    const source = this.#stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    for await (const chunk of source) {
      buffered = Buffer.concat([buffered, chunk]);
      for (;;) {
        const length = messageLength(buffered);
        if (length === undefined || buffered.length < prefixBytes + length) break;
        yield buffered.subarray(prefixBytes, prefixBytes + length);
        buffered = buffered.subarray(prefixBytes + length);
      }
    }
  }

  /** The only message of a call that has one. */
  async request(): Promise<Uint8Array> {
    const { value } = await this.until(this.requests().next());
    if (value instanceof Uint8Array) return value;
    throw new GrpcStatus(statusCode.internal, "Missing request message.");
  }

  /** Waits for this, but not beyond the call: rejects with the reason of `signal`. */
  async until<T>(awaited: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const aborted = (): void => reject(this.signal.reason as Error);
    if (this.signal.aborted) aborted();
    this.signal.addEventListener("abort", aborted, { once: true });
    try {
      return await Promise.race([promise, awaited]);
    } finally {
      this.signal.removeEventListener("abort", aborted);
    }
  }

  /** Sends the response headers; the first message does it too. */
  respond(metadata: Readonly<Record<string, string>> = {}): void {
    if (this.over || this.#stream.headersSent) return;
    this.#stream.respond({ ...responseHeaders, ...metadata }, { waitForTrailers: true });
  }

  /** Resolves when HTTP/2 has taken all of it, as far as the client's window goes; rejects when `signal` aborts. */
  async send(message: Uint8Array): Promise<void> {
    this.signal.throwIfAborted();
    this.respond();
    const prefix = Buffer.alloc(prefixBytes);
    prefix.writeUInt32BE(message.length, 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#stream.cork();
    this.#stream.write(prefix);
    this.#stream.write(message, (error) => {
      // A stream that broke is closed next, and `signal` has the reason.
      if (error === undefined || error === null) resolve();
    });
    this.#stream.uncork();
    await this.until(promise);
  }

  finish(status: GrpcStatus): void {
    if (this.over) return;
    this.#over = true;
    this.#stream.resume();
    const trailers = trailersOf(status);
    if (!this.#stream.headersSent) {
      this.#stream.respond({ ...responseHeaders, ...trailers }, { endStream: true });
      return;
    }
    this.#trailers = trailers;
    this.#stream.end();
  }

  /** Ends the stream of HTTP/2 as if all was well, but no status follows. */
  finishWithoutStatus(): void {
    if (this.over) return;
    this.respond();
    this.#over = true;
    this.#stream.resume();
    this.#stream.end();
  }

  /** RST_STREAM with this code (RFC 9113 §7), after what was sent. */
  reset(code: number): void {
    this.#over = true;
    this.#stream.close(code);
  }

  /** Cuts the connection, and with it all its calls. */
  cut(): void {
    this.#over = true;
    this.#stream.session?.destroy();
  }

  /** No timer runs after this. */
  dispose(): void {
    clearTimeout(this.#timer);
  }
}

function messageLength(buffered: Uint8Array): number | undefined {
  if (buffered.length < prefixBytes) return undefined;
  const view = new DataView(buffered.buffer, buffered.byteOffset, buffered.length);
  const length = view.getUint32(1);
  if (view.getUint8(0) !== 0) {
    throw new GrpcStatus(
      statusCode.internal,
      "protocol error: received message with compressed-flag but no grpc-encoding was specified",
    );
  }
  if (length > maxRequestBytes) {
    throw new GrpcStatus(
      statusCode.outOfRange,
      `Error, decoded message length too large: found ${length} bytes, the limit is: ${maxRequestBytes} bytes`,
    );
  }
  return length;
}

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

function timeoutOf(header: string | string[] | undefined): number | undefined {
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(header));
  if (match === null) return undefined;
  const [, amount, unit = ""] = match;
  return Number(amount) * (unitMs[unit] ?? 0);
}
