/**
 * A database that refuses connections until it is told to return; then it answers every write with 204 as soon as its
 * last byte is here. Bodies are kept as they came and read when somebody asks, so that reading costs the drain nothing.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import type { BacklogCount, BacklogSinkOrder, BacklogSinkSettings, SunkWrite } from "./backlog-sink.ts";
import { helperSettings, report } from "./child.ts";
import { monotonicMs } from "./figures.ts";

interface Body {
  readonly atMs: number;
  readonly bytes: Buffer;
  readonly isGzip: boolean;
}

const { backlogFirst, backlogEnd } = helperSettings() as BacklogSinkSettings;
const bodies: Body[] = [];
/** Of no uplink: made by the daemon in its own time. */
const ownRow = /^(?:device|flightline_node|gateway_stats|gateway_event),/;
/** The stream's number is the end of the id. */
const numberOfUplink = /deduplication_id="[^"]*-0*(\d+)"/;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const url = request.url ?? "";
  if (/^\/api\/v[23]\/write/.test(url)) {
    const isGzip = request.headers["content-encoding"] === "gzip";
    bodies.push({ atMs: monotonicMs(), bytes: Buffer.concat(chunks), isGzip });
    response.writeHead(204).end();
  } else if (url.startsWith("/api/v3/query_sql")) {
    response.writeHead(200, { "content-type": "application/json" }).end("[]");
  } else response.writeHead(404).end();
}

function read({ atMs, bytes, isGzip }: Body): SunkWrite {
  const text = (isGzip ? gunzipSync(bytes) : bytes).toString("utf8");
  const backlog: number[] = [];
  const fresh: number[] = [];
  let lines = 0;
  for (const line of text.split("\n")) {
    if (line === "" || ownRow.test(line)) continue;
    lines += 1;
    if (!line.startsWith("uplink,")) continue;
    const number = Number(numberOfUplink.exec(line)?.[1]);
    (number >= backlogFirst && number < backlogEnd ? backlog : fresh).push(number);
  }
  return { atMs, lines, backlog, fresh };
}

function count(): BacklogCount {
  const writes = bodies.map(read);
  return {
    writes,
    lines: writes.reduce((sum, { lines }) => sum + lines, 0),
    bytes: bodies.reduce((sum, { bytes }) => sum + bytes.length, 0),
  };
}

const server = createServer((request, response) => void answer(request, response));
/** Its own after the first time: the daemon is told the port long before anybody listens there. */
let port = 0;

process.on("message", ({ order }: { readonly order: BacklogSinkOrder }) => {
  if (order === "count") report(count());
  else server.listen(port, "127.0.0.1", () => report({ returnedMs: monotonicMs() }));
});
server.listen(0, "127.0.0.1", () => {
  port = (server.address() as AddressInfo).port;
  server.close(() => report({ port }));
});
