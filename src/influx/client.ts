import { AsyncLocalStorage } from "node:async_hooks";
import { createRequire } from "node:module";
import type * as InfluxDB3 from "@influxdata/influxdb3-client";
import { BugError, assert } from "../lib/fault.ts";
import type { Answer } from "./outcome.ts";
import type { HttpTransport } from "./transport.ts";

/**
 * The official client with a transport of ours under it. The client joins and hands over the lines;
 * what it cannot do (write_lp that waits for the disk, TLS settings, closing a socket) is the
 * transport's: it takes neither path, token, compression nor timeout from the client, and the client
 * is given neither address nor token.
 *
 * The client passes no signal on to its transport, so each call carries its own in an
 * AsyncLocalStorage, together with the path.
 */

export interface WriteClient {
  /** `lines` is line protocol, not empty. Rejects as `HttpTransport.post` does. */
  write(lines: string, path: string, signal: AbortSignal): Promise<Answer>;
  close(): Promise<void>;
}

/** How an answer that is not 204 passes through the client, which knows only success and error. */
class AnswerError extends Error {
  override readonly name = "AnswerError";
  readonly answer: Answer;

  constructor(answer: Answer) {
    super(`HTTP ${answer.status}`);
    this.answer = answer;
  }
}

/** Never rejects. */
async function report(
  posted: Promise<Answer>,
  callbacks: Parameters<InfluxDB3.Transport["send"]>[3],
): Promise<void> {
  try {
    const answer = await posted;
    if (answer.status !== 204) throw new AnswerError(answer);
    callbacks?.responseStarted?.({}, answer.status);
    callbacks?.complete?.();
  } catch (error) {
    callbacks?.error?.(error as Error);
  }
}

const noContent: Answer = { status: 204, retryAfter: undefined, location: undefined, body: "" };

/** Its CommonJS build: the other one imports node:http, which costs 12 MB (net/node-http.ts). */
function loadLibrary(): typeof InfluxDB3 {
  return createRequire(import.meta.url)("@influxdata/influxdb3-client") as typeof InfluxDB3;
}

export function createWriteClient(http: HttpTransport): WriteClient {
  const calls = new AsyncLocalStorage<{ readonly path: string; readonly signal: AbortSignal }>();

  const transport: InfluxDB3.Transport = {
    send(_path, body, options, callbacks) {
      const call = calls.getStore();
      assert(call !== undefined, "the client sent something that nobody asked it to");
      const contentType = options.headers?.["content-type"] ?? "text/plain; charset=utf-8";
      void report(http.post({ ...call, body, contentType }), callbacks);
    },
    request: () => Promise.reject(new BugError("BUG: this transport only writes")),
    iterate() {
      throw new BugError("BUG: this transport only writes");
    },
  };

  const { InfluxDBClient, setLogger } = loadLibrary();
  // It would print every failed write to the console. The logger is the library's, not the client's.
  setLogger({ error() {}, warn() {} });
  const client = new InfluxDBClient({
    host: "http://transport.invalid",
    token: "",
    database: "transport",
    transport,
  });

  return {
    async write(lines, path, signal) {
      assert(lines !== "", "an empty write");
      try {
        await calls.run({ path, signal }, () => client.write(lines));
      } catch (error) {
        if (error instanceof AnswerError) return error.answer;
        throw error;
      }
      return noContent;
    },
    close: () => client.close(),
  };
}
