/** An InfluxDB that refuses lines by name, or is away, as a test wants. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";
import { gunzipSync } from "node:zlib";
import { numbersIn } from "./uplinks.ts";

/** Takes all lines of a write or none, as v3 does, and names those that it does not like. */
export class PickyInflux {
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  readonly taken: string[] = [];
  isAway = false;
  /** In what it refuses. */
  dislikes: RegExp | undefined;

  static async start(t: TestContext): Promise<PickyInflux> {
    const influx = new PickyInflux();
    await new Promise<void>((resolve) => {
      influx.#server.listen(0, "127.0.0.1", resolve);
    });
    t.after(() => {
      influx.#server.close();
      influx.#server.closeAllConnections();
    });
    return influx;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often the uplink came, by its number. */
  get uplinks(): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    for (const n of numbersIn(this.taken.join("\n"))) counts.set(n, (counts.get(n) ?? 0) + 1);
    return counts;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
    if (request.url?.startsWith("/api/v3/write_lp") !== true) response.writeHead(404).end();
    else if (this.isAway) response.writeHead(503).end();
    else {
      const body = Buffer.concat(chunks);
      const isZipped = request.headers["content-encoding"] === "gzip";
      const lines = (isZipped ? gunzipSync(body) : body).toString().split("\n");
      const data = lines.flatMap((line, index) =>
        this.dislikes?.test(line) === true
          ? [{ error_message: "I do not like it", line_number: index + 1, original_line: line.slice(0, 20) }]
          : [],
      );
      if (data.length > 0) {
        const error = "parsing failed for write_lp endpoint";
        response.writeHead(400, { "content-type": "application/json" });
        response.end(JSON.stringify({ error, data: data[0] }));
      } else {
        this.taken.push(...lines);
        response.writeHead(204).end();
      }
    }
  }
}
