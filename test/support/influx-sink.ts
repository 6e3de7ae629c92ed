/**
 * The least that takes writes: node:http on a loopback port that unpacks what is written and keeps the
 * lines. It can go away and come back on the same port, and answer what a test wants. Like a server without
 * v3 queries it knows no path but those that write.
 */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { numbersIn } from "./uplinks.ts";

export class InfluxSink {
  /** Status of the answer to a write; 204 takes the lines. */
  status = 204;
  readonly headers: Record<string, string> = {};
  /** From having taken the lines to saying so. */
  answerAfterMs = 0;
  /** What a write is told that is not taken; by default the status. */
  refusal: string | undefined;
  requests = 0;
  /** Of the Authorization headers of writes. */
  readonly authorizations = new Set<string | undefined>();
  /** Lines that were taken, with how often. */
  readonly taken = new Map<string, number>();
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
    server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
    if (!/^\/api\/v[23]\/write/.test(request.url ?? "")) {
      response.writeHead(404).end();
      return;
    }
    this.requests += 1;
    this.authorizations.add(request.headers.authorization);
    const { status } = this;
    const body = Buffer.concat(chunks);
    const text =
      request.headers["content-encoding"] === "gzip" ? gunzipSync(body).toString() : body.toString();
    if (status === 204)
      for (const line of text.split("\n")) this.taken.set(line, (this.taken.get(line) ?? 0) + 1);
    if (this.answerAfterMs > 0) await delay(this.answerAfterMs);
    response
      .writeHead(status, this.headers)
      .end(status === 204 ? undefined : JSON.stringify({ error: this.refusal ?? `status ${status}` }));
  }

  /** Numbers of the uplinks that were taken, with how often. */
  get uplinks(): Map<number, number> {
    const counts = new Map<number, number>();
    for (const [line, count] of this.taken) {
      for (const n of numbersIn(line)) counts.set(n, (counts.get(n) ?? 0) + count);
    }
    return counts;
  }
}
