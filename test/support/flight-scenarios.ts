/**
 * What a Flight server sends for the contract between every Flight server and our client (flight-contract.ts). The
 * query names a scenario:
 *
 *   count N                  N rows of `countRows`, in batches of 1000
 *   types                    the columns of flight-types.ts
 *   unsupported TYPE         a column of that type: run_end_encoded, list_view
 *   dictionary HOW           the batches of `dictionaryRows`; HOW the second dictionary follows the first one
 *   compressed CODEC         2500 rows of `countRows`, bodies compressed by lz4 or zstd
 *   keep_alives              three rows of `countRows`; an empty batch before and after
 *   metadata                 two batches of one row each, beside them the app_metadata "batch 0" and "batch 1"
 *   headers                  the request's headers `headerNames`, a row each
 *   fail KIND                no rows but the failure of that kind
 *   fail_after N KIND        N rows of `countRows`, then that
 *   fail_once NAME KIND N    the first time (for each NAME) that failure, later N rows
 *   hang                     nothing, not even a schema
 *   hang_after N             N rows of `countRows`, then nothing
 *   endless                  rows of `countRows` as long as somebody reads
 *
 * Here they are made with apache-arrow's writer and sent by flight-server.ts; test/interop/flight-server.py does the same
 * with PyArrow.
 */
import assert from "node:assert/strict";
import {
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampNanosecond,
  Utf8,
} from "apache-arrow";
import type { IpcMessage } from "../../src/influx/arrow/decoder.ts";
import type { Row } from "../../src/influx/arrow/rows.ts";
import type { Disposition } from "../../src/lib/fault.ts";
import { batchOf, bytesData, fixedData } from "./arrow-data.ts";
import { encodedBy, forgeBatch, forgeDictionary, forgeSchema, int32, utf8 } from "./arrow-forge.ts";
import { messagesOf } from "./arrow-messages.ts";
import { startFlightServer, type Reply } from "./flight-server.ts";
import { typeColumns } from "./flight-types.ts";
import { storedAsLz4 } from "./lz4-stored.ts";

/** A server that knows the scenarios. */
export interface FlightPeer {
  readonly url: string;
  counters(): Promise<PeerCounters>;
  stop(): Promise<void>;
}

export interface PeerCounters {
  readonly queries: number;
  /** Queries whose client left before the end. */
  readonly cancelled: number;
  /** By `endless`, given to the server's transport. */
  readonly rowsSent: number;
}

export const rowsPerBatch = 1000;
const baseNs = 1_763_800_000_000_000_000n;
/** Far beyond what a float holds exactly. */
const baseN = 2n ** 62n;

export function countRows(first: number, count: number): Row[] {
  return Array.from({ length: count }, (_, index) => countRow(first + index));
}

export function countRow(n: number): Row {
  return {
    time: baseNs + BigInt(n),
    dev_eui: `device ${n % 5}`,
    value: n % 7 === 0 ? null : n / 2,
    n: baseN + BigInt(n),
  };
}

const headerNames = ["authorization", "x-request-id", "x-own"] as const;

export const dictionaryRows = {
  same: ["a", "b", null, "b", "a", null],
  deltas: ["a", "b", null, "c", "a", null],
  replaced: ["a", "b", null, "c", "d", null],
} as const;

type DictionaryChange = keyof typeof dictionaryRows;

export interface Failure {
  readonly kind: string;
  readonly grpcCode: number;
  readonly faultCode: string;
  readonly disposition: Disposition;
}

/** The server's words are `the words of KIND`. */
export const failures: readonly Failure[] = [
  { kind: "cancelled", grpcCode: 1, faultCode: "flight_cancelled_by_server", disposition: "retry" },
  { kind: "invalid", grpcCode: 3, faultCode: "flight_query_refused", disposition: "drop" },
  { kind: "timed_out", grpcCode: 4, faultCode: "flight_timeout", disposition: "retry" },
  { kind: "not_found", grpcCode: 5, faultCode: "flight_failed", disposition: "drop" },
  { kind: "unauthorized", grpcCode: 7, faultCode: "flight_forbidden", disposition: "fatal" },
  { kind: "not_implemented", grpcCode: 12, faultCode: "flight_unsupported", disposition: "fatal" },
  { kind: "internal", grpcCode: 13, faultCode: "flight_engine_failed", disposition: "retry" },
  { kind: "unavailable", grpcCode: 14, faultCode: "flight_unavailable", disposition: "retry" },
  { kind: "unauthenticated", grpcCode: 16, faultCode: "flight_unauthorized", disposition: "fatal" },
];

const influx = (type: string): Map<string, string> =>
  new Map([["iox::column::type", `iox::column_type::${type}`]]);

const countSchema = new Schema([
  new Field("time", new TimestampNanosecond(), true, influx("timestamp")),
  new Field("dev_eui", new Utf8(), true, influx("tag")),
  new Field("value", new Float64(), true, influx("field::float")),
  new Field("n", new Int64(), true),
]);

function countBatch(first: number, count: number): RecordBatch {
  const rows = countRows(first, count);
  const cells = (name: string): never[] => rows.map((row) => row[name] as never);
  const children = [
    fixedData(new TimestampNanosecond(), cells("time")),
    bytesData(new Utf8(), cells("dev_eui")),
    fixedData(new Float64(), cells("value")),
    fixedData(new Int64(), cells("n")),
  ];
  const type = new Struct(countSchema.fields);
  return new RecordBatch(countSchema, makeData({ type, length: count, nullCount: 0, children }));
}

function countBatches(total: number): RecordBatch[] {
  return Array.from({ length: Math.ceil(total / rowsPerBatch) }, (_, index) => {
    const first = index * rowsPerBatch;
    return countBatch(first, Math.min(rowsPerBatch, total - first));
  });
}

const countSchemaMessage = firstOf(messagesOf([countBatch(0, 0)]));

function batchMessages(batches: readonly RecordBatch[]): IpcMessage[] {
  return batches.flatMap((batch) => messagesOf([batch]).slice(1));
}

function firstOf<T>(things: readonly T[]): T {
  assert.ok(things[0] !== undefined);
  return things[0];
}

async function sendAll(reply: Reply, messages: Iterable<IpcMessage>): Promise<void> {
  for (const message of messages) await reply.send(message);
}

async function sendCount(reply: Reply, total: number): Promise<void> {
  await reply.send(countSchemaMessage);
  for (const batch of countBatches(total)) await sendAll(reply, batchMessages([batch]));
}

function dictionaryMessages(how: DictionaryChange): IpcMessage[] {
  const words = (...texts: readonly string[]): Parameters<typeof forgeDictionary>[1] => ({
    length: texts.length,
    nodes: [[texts.length, 0]],
    buffers: [
      new Uint8Array(0),
      Int32Array.from([0, ...texts.map((_, index) => index + 1)]),
      Buffer.from(texts.join("")),
    ],
  });
  // The last one is null.
  const picks = (...indices: readonly number[]): IpcMessage =>
    forgeBatch({
      length: 3,
      nodes: [[3, 1]],
      buffers: [Uint8Array.of(0b011), Int32Array.from([...indices, 0])],
    });
  const second: Readonly<Record<DictionaryChange, readonly IpcMessage[]>> = {
    same: [picks(1, 0)],
    deltas: [forgeDictionary(1, words("c"), true), picks(2, 0)],
    replaced: [forgeDictionary(1, words("c", "d")), picks(0, 1)],
  };
  return [
    forgeSchema({ name: "tag", type: utf8, dictionary: encodedBy(1, 32) }),
    forgeDictionary(1, words("a", "b")),
    picks(0, 1),
    ...second[how],
  ];
}

const unsupported: Readonly<Record<string, IpcMessage>> = {
  run_end_encoded: forgeSchema({
    type: [22],
    children: [
      { name: "run_ends", type: int32 },
      { name: "values", type: utf8 },
    ],
  }),
  list_view: forgeSchema({ type: [25], children: [{ name: "item", type: int32 }] }),
};

function compressedMessages(codec: string): IpcMessage[] {
  const batches = countBatches(2500);
  return codec === "zstd"
    ? messagesOf(batches, { compression: "zstd" })
    : messagesOf(batches).map((message) => storedAsLz4(message));
}

function fail(reply: Reply, kind: string): void {
  const failure = failures.find((each) => each.kind === kind);
  assert.ok(failure !== undefined, kind);
  reply.fail(failure.grpcCode, `the words of ${kind}`);
}

async function untilLeft({ signal }: Reply): Promise<void> {
  await new Promise((resolve) => {
    signal.addEventListener("abort", resolve, { once: true });
    if (signal.aborted) resolve(undefined);
  });
}

type Scenario = (reply: Reply, ...words: readonly string[]) => Promise<void> | void;

function scenarios(onRowsSent: (rows: number) => void): Readonly<Record<string, Scenario>> {
  const failed = new Set<string>();
  return {
    count: async (reply, total) => await sendCount(reply, Number(total)),
    types: async (reply) =>
      await sendAll(reply, messagesOf([batchOf(typeColumns.map(({ name, data }) => [name, data]))])),
    unsupported: async (reply, type = "") => await sendAll(reply, [unsupported[type] ?? assert.fail(type)]),
    dictionary: async (reply, how) => await sendAll(reply, dictionaryMessages(how as DictionaryChange)),
    compressed: async (reply, codec = "") => await sendAll(reply, compressedMessages(codec)),
    keep_alives: async (reply) =>
      await sendAll(reply, messagesOf([countBatch(0, 0), countBatch(0, 3), countBatch(0, 0)])),
    metadata: async (reply) => {
      await reply.send(countSchemaMessage);
      for (const n of [0, 1]) {
        const message = firstOf(batchMessages([countBatch(n, 1)]));
        await reply.send({ ...message, appMetadata: Buffer.from(`batch ${n}`) });
      }
    },
    headers: async (reply) => {
      const values = headerNames.map((name) => String(reply.metadata[name]));
      const columns = [
        ["name", bytesData(new Utf8(), headerNames)],
        ["value", bytesData(new Utf8(), values)],
      ] as const;
      await sendAll(reply, messagesOf([batchOf(columns)]));
    },
    fail: (reply, kind = "") => fail(reply, kind),
    fail_after: async (reply, total, kind = "") => {
      await sendCount(reply, Number(total));
      fail(reply, kind);
    },
    fail_once: async (reply, name = "", kind = "", total) => {
      if (failed.has(name)) return await sendCount(reply, Number(total));
      failed.add(name);
      fail(reply, kind);
    },
    hang: untilLeft,
    hang_after: async (reply, total) => {
      await sendCount(reply, Number(total));
      await untilLeft(reply);
    },
    endless: async (reply) => {
      await reply.send(countSchemaMessage);
      for (let first = 0; !reply.signal.aborted; first += rowsPerBatch) {
        await sendAll(reply, batchMessages([countBatch(first, rowsPerBatch)]));
        onRowsSent(rowsPerBatch);
      }
    },
  };
}

export async function startScenarioServer(): Promise<FlightPeer> {
  let rowsSent = 0;
  const known = scenarios((rows) => {
    rowsSent += rows;
  });
  const server = await startFlightServer({
    doGet: async (ticket, reply) => {
      const { sql_query: query } = JSON.parse(Buffer.from(ticket).toString()) as { sql_query: string };
      const [name = "", ...words] = query.split(" ");
      await (known[name] ?? assert.fail(query))(reply, ...words);
    },
  });
  return {
    url: server.url,
    counters: () => Promise.resolve({ queries: server.doGets, cancelled: server.cancels, rowsSent }),
    async stop() {
      await server.stop();
      assert.deepEqual(server.errors, []);
    },
  };
}
