/** Reads what the Flight server sends, in one of the ways that are compared, as often as it is told to. */
import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, credentials } from "@grpc/grpc-js";
import { create, toBinary } from "@bufbuild/protobuf";
import type * as InfluxDB3 from "@influxdata/influxdb3-client";
import type { FlightStream } from "../../../src/influx/flight/api.ts";
import { createFlightClient } from "../../../src/influx/flight/client.ts";
import { TicketSchema } from "../../../src/proto/flight/flight_pb.js";
import { helperSettings, report } from "./child.ts";
import { monotonicMs } from "./figures.ts";
import type { ReadOrder, ReadSettings } from "./flight-reader.ts";

const { url, way } = helperSettings() as ReadSettings;

/** Reads a stream of that many batches and returns how many rows it saw, or bytes where nothing is decoded. */
type Read = (order: ReadOrder) => Promise<number>;

function ours(read: (stream: FlightStream, order: ReadOrder) => Promise<number>): Read {
  const client = createFlightClient({
    url,
    database: "bench",
    tls: { verify: true },
    timeoutMs: 600_000,
  });
  return async (order) => await read(client.query({ text: String(order.batches) }), order);
}

/** grpc-js alone: messages come and are forgotten. */
function raw(): Read {
  const client = new Client(new URL(url).host, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc-node.flow_control_window": 1 << 20,
  });
  return async ({ batches }) => {
    const ticket = Buffer.from(JSON.stringify({ sql_query: String(batches) }));
    const request = Buffer.from(toBinary(TicketSchema, create(TicketSchema, { ticket })));
    const identity = (bytes: Buffer): Buffer => bytes;
    const path = "/arrow.flight.protocol.FlightService/DoGet";
    const call = client.makeServerStreamRequest<Buffer, Buffer>(path, identity, identity, request);
    let messages = -1;
    for await (const _ of call as AsyncIterable<Buffer>) messages += 1;
    return messages;
  };
}

/** What users have today. */
function official(): Read {
  const { InfluxDBClient } = createRequire(import.meta.url)(
    "@influxdata/influxdb3-client",
  ) as typeof InfluxDB3;
  const client = new InfluxDBClient({ host: url, token: "none", database: "bench", queryTimeout: 600_000 });
  return async ({ batches }) => {
    let rows = 0;
    for await (const _ of client.query(String(batches))) rows += 1;
    return rows;
  };
}

const ways: Readonly<Record<ReadSettings["way"], () => Read>> = {
  raw,
  official,
  chunks: () =>
    ours(async (stream, { pauseMs = 0, breakAfter = Infinity }) => {
      let rows = 0;
      let left = breakAfter;
      for await (const { batch } of stream.chunks()) {
        rows += batch.numRows;
        left -= 1;
        if (left === 0) break;
        if (pauseMs > 0) await sleep(pauseMs);
      }
      return rows;
    }),
  reader: () =>
    ours(async (stream) => {
      const reader = await stream.reader();
      let rows = 0;
      for (let batch = await reader.next(); batch !== undefined; batch = await reader.next())
        rows += batch.numRows;
      return rows;
    }),
  rows: () =>
    ours(async (stream) => {
      let rows = 0;
      for await (const _ of stream.rows()) rows += 1;
      return rows;
    }),
  batches: () =>
    ours(async (stream) => {
      let rows = 0;
      for await (const batch of stream.rows().batches()) rows += batch.length;
      return rows;
    }),
  all: () => ours(async (stream) => (await stream.all()).numRows),
};

const read = ways[way]();

async function obey(order: ReadOrder): Promise<void> {
  const rss: number[] = [];
  const watch = setInterval(() => rss.push(process.memoryUsage.rss()), 50);
  const cpu = process.cpuUsage();
  const startedMs = monotonicMs();
  const seen = await read(order);
  const endedAtMs = monotonicMs();
  clearInterval(watch);
  const { user, system } = process.cpuUsage(cpu);
  report({ seen, ms: endedAtMs - startedMs, endedAtMs, cpuMs: (user + system) / 1000, rssBytes: rss });
}

process.on("message", (order) => void obey(order as ReadOrder));
report({ ready: true });
