/**
 * A Flight server for tests, straight on node:http2: it answers a call with whatever bytes a test gives it, so
 * that also what no gRPC library would send can be sent: no trailers, any RST_STREAM, lying frames, HTML.
 */
import { once } from "node:events";
import {
  constants,
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FlightDataSchema, TicketSchema } from "../../src/proto/flight/flight_pb.js";

export interface FlightFields {
  /** A flatbuffer Message. */
  readonly header?: Uint8Array;
  readonly body?: Uint8Array;
  readonly appMetadata?: Uint8Array;
}

export interface Reply {
  /** Of the request. */
  readonly metadata: IncomingHttpHeaders;
  /** Aborts when the client cancels, or is gone. */
  readonly signal: AbortSignal;
  /** Resolves when the client's flow control let it out; rejects when the call is over. */
  send(fields: FlightFields): Promise<void>;
  /** A message in a gRPC frame, which need not be a FlightData. */
  sendMessage(message: Uint8Array): Promise<void>;
  /** Bytes of the HTTP/2 stream as they are. */
  sendBytes(bytes: Uint8Array): Promise<void>;
  /** In place of the usual response headers. */
  respond(headers: OutgoingHttpHeaders): void;
  /** Status OK. */
  end(trailers?: Readonly<Record<string, string>>): void;
  fail(code: number, details: string, trailers?: Readonly<Record<string, string>>): void;
  /** Ends the stream without trailers. */
  cutOff(): void;
  /** RST_STREAM. */
  reset(http2Code: number): void;
}

export interface FlightServerOptions {
  /** The call ends with status OK when this returns without having ended it. */
  readonly doGet: (ticket: Uint8Array, reply: Reply) => Promise<void> | void;
  /** Every other call, by its method, with all its messages. Without this they are not implemented. */
  readonly other?: (method: string, requests: readonly Uint8Array[], reply: Reply) => Promise<void> | void;
  readonly port?: number;
  readonly tls?: SecureServerOptions;
}

export interface FlightServer {
  /** http(s)://127.0.0.1:port */
  readonly url: string;
  readonly port: number;
  /** Calls that came. */
  readonly doGets: number;
  /** Calls that the client ended by RST_STREAM CANCEL. */
  readonly cancels: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Error codes of the GOAWAY frames of clients. */
  readonly goAways: readonly number[];
  /** Request headers of every call. */
  readonly metadata: readonly IncomingHttpHeaders[];
  /** What an answer threw while its call was not over. */
  readonly errors: readonly unknown[];
  /** GOAWAY on every connection; calls under way go on. */
  goAway(http2Code?: number): void;
  dropConnections(): void;
  stop(): Promise<void>;
}

export async function startFlightServer(options: FlightServerOptions): Promise<FlightServer> {
  const { port = 0, tls } = options;
  const server = tls === undefined ? createServer() : createSecureServer(tls);
  const sessions = new Set<ServerHttp2Session>();
  const metadata: IncomingHttpHeaders[] = [];
  const errors: unknown[] = [];
  const goAways: number[] = [];
  let cancels = 0;

  server.on("session", (session: ServerHttp2Session) => {
    sessions.add(session.on("error", () => {}).on("close", () => sessions.delete(session)));
    session.on("goaway", (code: number) => goAways.push(code));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    metadata.push(headers);
    stream.on("error", () => {});
    stream.on("close", () => {
      if (stream.rstCode === constants.NGHTTP2_CANCEL && stream.aborted) cancels += 1;
    });
    void answer(stream, headers, options).catch((error: unknown) => errors.push(error));
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  const dropConnections = (): void => {
    for (const session of sessions) session.destroy();
  };
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${bound}`,
    port: bound,
    get doGets() {
      return metadata.length;
    },
    get cancels() {
      return cancels;
    },
    get connections() {
      return sessions.size;
    },
    goAways,
    metadata,
    errors,
    goAway(code = constants.NGHTTP2_NO_ERROR) {
      for (const session of sessions) session.goaway(code);
    },
    dropConnections,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      dropConnections();
      await closed;
    },
  };
}

async function answer(
  stream: ServerHttp2Stream,
  metadata: IncomingHttpHeaders,
  { doGet, other }: FlightServerOptions,
): Promise<void> {
  const over = new AbortController();
  stream.once("close", () => over.abort(new Error("the call is over")));
  const reply = replyOn(stream, metadata, over.signal);
  try {
    const requests = messagesIn(await bodyOf(stream));
    const method = metadata[":path"]?.split("/").at(-1) ?? "";
    if (method !== "DoGet") await (other ?? missing)(method, requests, reply);
    else await doGet(fromBinary(TicketSchema, requests[0] ?? Buffer.alloc(0)).ticket, reply);
    if (!stream.writableEnded && !stream.destroyed) reply.end();
  } catch (error) {
    if (over.signal.aborted) return;
    reply.fail(13, "the test's answer threw");
    throw error;
  }
}

function missing(method: string, _requests: readonly Uint8Array[], reply: Reply): void {
  reply.fail(12, `Not yet implemented: ${method}`);
}

function messagesIn(body: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + 5 <= body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    messages.push(body.subarray(at + 5, end));
    at = end;
  }
  return messages;
}

async function bodyOf(stream: ServerHttp2Stream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  // Not `for await`, which would destroy the stream at its end, and the answer with it.
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  await Promise.race([once(stream, "end"), once(stream, "close")]);
  return Buffer.concat(chunks);
}

function replyOn(stream: ServerHttp2Stream, metadata: IncomingHttpHeaders, signal: AbortSignal): Reply {
  let trailers: OutgoingHttpHeaders | undefined;
  stream.on("wantTrailers", () => {
    if (trailers === undefined) stream.close(constants.NGHTTP2_NO_ERROR);
    else stream.sendTrailers(trailers);
  });
  function respond(headers: OutgoingHttpHeaders): void {
    stream.respond(headers, { waitForTrailers: true });
  }
  function ready(): void {
    if (!stream.headersSent) respond({ ":status": 200, "content-type": "application/grpc" });
  }
  async function sendBytes(bytes: Uint8Array): Promise<void> {
    signal.throwIfAborted();
    ready();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lost = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", lost, { once: true });
    stream.write(bytes, () => resolve());
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", lost);
    }
  }
  function end(status: OutgoingHttpHeaders | undefined): void {
    if (stream.destroyed) return;
    ready();
    trailers = status;
    stream.end();
  }
  const sendMessage = async (message: Uint8Array): Promise<void> => {
    const frame = Buffer.alloc(5 + message.length);
    frame.writeUInt32BE(message.length, 1);
    frame.set(message, 5);
    await sendBytes(frame);
  };
  return {
    metadata,
    signal,
    send: async ({ header, body, appMetadata }) =>
      await sendMessage(
        toBinary(
          FlightDataSchema,
          create(FlightDataSchema, {
            ...(header !== undefined && { dataHeader: header }),
            ...(body !== undefined && { dataBody: body }),
            ...(appMetadata !== undefined && { appMetadata }),
          }),
        ),
      ),
    sendMessage,
    sendBytes,
    respond,
    end: (more = {}) => end({ "grpc-status": "0", ...more }),
    fail: (code, details, more = {}) =>
      end({ "grpc-status": String(code), "grpc-message": grpcMessage(details), ...more }),
    cutOff: () => end(undefined),
    reset: (http2Code) => stream.close(http2Code),
  };
}

/** As tonic does: everything but plain ASCII as %XX, also ` "#%<>`?{}`. */
function grpcMessage(details: string): string {
  return [...Buffer.from(details)]
    .map((byte) => {
      const char = String.fromCharCode(byte);
      return byte > 0x20 && byte < 0x7f && !'"#%<>`?{}'.includes(char)
        ? char
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}
