/**
 * The smallest database there is: every write is answered with 204 as soon as its last byte is here, and
 * whoever asks for its columns is told that it is empty. Nothing is parsed meanwhile; bodies are kept, and
 * counted when somebody asks. What the daemon writes of itself and of its registry is not counted.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { helperSettings, report } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import type { SinkReport } from "./sink.ts";

interface Body {
  readonly atMs: number;
  readonly bytes: Buffer;
  readonly isGzip: boolean;
}

helperSettings();
let bodies: Body[] = [];
/** Of the rows of table `uplink`: seen twice is a duplicate. */
const deduplicationIds = new Set<string>();
/** Of no uplink: made by the daemon in its own time. */
const ownRow = /^(?:device|flightline_node|gateway_stats|gateway_event),/;
const tally = { uplinks: 0, lines: 0, requests: 0, bytes: 0 };

async function take(request: IncomingMessage): Promise<Body> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const isGzip = request.headers["content-encoding"] === "gzip";
  return { atMs: monotonicMs(), bytes: Buffer.concat(chunks), isGzip };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await take(request);
  const url = request.url ?? "";
  if (/^\/api\/v[23]\/write/.test(url)) {
    bodies.push(body);
    response.writeHead(204).end();
  } else if (url.startsWith("/api/v3/query_sql")) {
    response.writeHead(200, { "content-type": "application/json" }).end("[]");
  } else response.writeHead(404).end();
}

const server = createServer((request, response) => void answer(request, response));

/** Counts what came since the last time, and forgets it. */
function count(): SinkReport {
  const deliveries = bodies.map(({ atMs, bytes, isGzip }) => {
    const text = (isGzip ? gunzipSync(bytes) : bytes).toString("utf8");
    let uplinks = 0;
    for (const line of text.split("\n")) {
      if (line !== "" && !ownRow.test(line)) tally.lines += 1;
      if (!line.startsWith("uplink,")) continue;
      uplinks += 1;
      deduplicationIds.add(/deduplication_id="([^"]*)"/.exec(line)?.[1] ?? "");
    }
    tally.uplinks += uplinks;
    tally.requests += 1;
    tally.bytes += bytes.length;
    return { atMs, uplinks };
  });
  bodies = [];
  return { ...tally, distinct: deduplicationIds.size, deliveries };
}

process.on("message", () => {
  report(count());
});
server.listen(0, "127.0.0.1", () => {
  report({ port: (server.address() as AddressInfo).port });
});
