/** Calls from connections of HTTP/2 that somebody else accepts, to methods by their path. */
import { createServer } from "node:http2";
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";

import { errorText } from "../../../lib/fault.ts";
import { GrpcCall } from "./grpc-call.ts";
import { GrpcStatus, statusCode } from "./grpc-status.ts";

/** Throws the `GrpcStatus` to end with; returning is OK, with the trailing metadata that it gives. */
export type GrpcMethod = (call: GrpcCall) => Promise<Readonly<Record<string, string>> | void>;

export class GrpcServer {
  /** Takes connections by its event "connection". */
  readonly http2: Http2Server;
  readonly #methods: ReadonlyMap<string, GrpcMethod>;
  readonly #calls = new Map<GrpcCall, Promise<void>>();

  constructor(methods: ReadonlyMap<string, GrpcMethod>) {
    this.#methods = methods;
    // In MB; the default would refuse streams while big batches wait for slow clients.
    this.http2 = createServer({ maxSessionMemory: 1024 });
    this.http2.on("stream", (stream, headers) => this.#serve(stream, headers));
    // A client that goes away, or that speaks something else after all, is no event here.
    this.http2.on("sessionError", () => undefined);
  }

  /** Resolves when no call runs any more; their connections are for the owner to close. */
  async stop(): Promise<void> {
    const stopping = new GrpcStatus(statusCode.unavailable, "the server is shutting down");
    for (const call of this.#calls.keys()) call.abort(stopping);
    await Promise.all(this.#calls.values());
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers["content-type"]?.startsWith("application/grpc") !== true) {
      stream.on("error", () => undefined);
      stream.respond({ ":status": 415 }, { endStream: true });
      stream.resume();
      return;
    }
    const call = new GrpcCall(stream, headers);
    this.#calls.set(
      call,
      this.#run(call).finally(() => this.#calls.delete(call)),
    );
  }

  async #run(call: GrpcCall): Promise<void> {
    try {
      refuseCompression(call.headers["grpc-encoding"]);
      const method = this.#methods.get(String(call.headers[":path"]));
      if (method === undefined) throw new GrpcStatus(statusCode.unimplemented, "");
      call.finish(new GrpcStatus(statusCode.ok, "", (await method(call)) ?? {}));
    } catch (error) {
      call.finish(
        error instanceof GrpcStatus ? error : new GrpcStatus(statusCode.internal, errorText(error)),
      );
    } finally {
      call.dispose();
    }
  }
}

function refuseCompression(encoding: string | string[] | undefined): void {
  if (encoding === undefined || encoding === "identity") return;
  throw new GrpcStatus(
    statusCode.unimplemented,
    `Content is compressed with \`${String(encoding)}\` which isn't supported`,
  );
}
