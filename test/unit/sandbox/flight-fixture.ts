/**
 * A Flight client with nothing of ours in it: grpc-js for the call, Arrow's own reader for the result. And a
 * Flight server over streams that a test makes by hand.
 */
import { setImmediate } from "node:timers/promises";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import type { ClientReadableStream, StatusObject } from "@grpc/grpc-js";
import { RecordBatchReader, Table } from "apache-arrow";
import { createServer } from "node:http";

import { FlightDataSchema, TicketSchema } from "../../../src/proto/flight/flight_pb.js";
import type { FlightData } from "../../../src/proto/flight/flight_pb.js";
import type { AuthOptions } from "../../../src/sandbox/influxdb/auth.ts";
import { Catalog, coreLimits } from "../../../src/sandbox/influxdb/catalog.ts";
import { FlightFaults } from "../../../src/sandbox/influxdb/faults.ts";
import type { FlightCounters } from "../../../src/sandbox/influxdb/flight/do-get.ts";
import { FrontDoor } from "../../../src/sandbox/influxdb/flight/front-door.ts";
import { GrpcServer } from "../../../src/sandbox/influxdb/flight/grpc-server.ts";
import { flightMethods } from "../../../src/sandbox/influxdb/flight/service.ts";
import type { SqlBatch, SqlStream, StreamColumn } from "../../../src/sandbox/influxdb/sql-stream.ts";
import type { SqlParameters } from "../../../src/sandbox/influxdb/sql.ts";

const flightService = "/arrow.flight.protocol.FlightService/";

export interface Answer<T = FlightData> {
  readonly messages: readonly T[];
  readonly code: number;
  readonly details: string;
  readonly trailers: Readonly<Record<string, unknown>>;
}

export interface AskOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Infinity: none is sent. */
  readonly timeoutMs?: number;
}

export type FlightRead = ClientReadableStream<FlightData>;

export class RawFlight {
  readonly #client: Client;

  constructor(port: number, ca?: Buffer) {
    const secrets = ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca);
    const options = { "grpc.max_receive_message_length": -1, "grpc.use_local_subchannel_pool": 1 };
    this.#client = new Client(`127.0.0.1:${port}`, secrets, options);
  }

  close(): void {
    this.#client.close();
  }

  open(ticket: Uint8Array, { headers = {}, timeoutMs = 10_000 }: AskOptions = {}): FlightRead {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    return this.#client.makeServerStreamRequest(
      `${flightService}DoGet`,
      (bytes: Uint8Array) => Buffer.from(toBinary(TicketSchema, create(TicketSchema, { ticket: bytes }))),
      (bytes) => fromBinary(FlightDataSchema, bytes),
      ticket,
      metadata,
      { deadline: Date.now() + timeoutMs },
    );
  }

  async ask(ticket: Uint8Array, options?: AskOptions): Promise<Answer> {
    return await readAll(this.open(ticket, options));
  }

  /** An RPC with an empty request; gives its status. */
  async call(method: string, kind: "unary" | "stream", request = Buffer.alloc(0)): Promise<[number, string]> {
    const raw = (bytes: Buffer): Buffer => bytes;
    const path = flightService + method;
    if (kind === "unary") {
      return await new Promise((resolve) => {
        this.#client.makeUnaryRequest(path, raw, raw, request, (error) => {
          resolve([error?.code ?? 0, error?.details ?? ""]);
        });
      });
    }
    const { code, details } = await readAll(this.#client.makeServerStreamRequest(path, raw, raw, request));
    return [code, details];
  }

  /** Both directions stream, and one message goes each way. */
  async exchange(
    method: string,
    request: Buffer,
    headers: Record<string, string>,
  ): Promise<{ readonly replies: Buffer[]; readonly headers: Metadata; readonly status: StatusObject }> {
    const raw = (bytes: Buffer): Buffer => bytes;
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
    const call = this.#client.makeBidiStreamRequest(flightService + method, raw, raw, metadata);
    const replies: Buffer[] = [];
    let received = new Metadata();
    call.on("metadata", (given: Metadata) => {
      received = given;
    });
    call.on("data", (reply: Buffer) => replies.push(reply));
    call.on("error", () => undefined);
    const status = new Promise<StatusObject>((resolve) => {
      call.once("status", resolve);
    });
    call.end(request);
    return { status: await status, replies, headers: received };
  }
}

export async function readAll<T>(call: ClientReadableStream<T>): Promise<Answer<T>> {
  const messages: T[] = [];
  call.on("data", (message: T) => messages.push(message));
  call.on("error", () => undefined);
  const status = await new Promise<StatusObject>((resolve) => {
    call.once("status", resolve);
  });
  const { code, details, metadata } = status;
  return { messages, code, details, trailers: metadata.getMap() };
}

/** What Arrow makes of them. */
export function tableOf(messages: readonly FlightData[]): Table {
  return new Table(RecordBatchReader.from(framed(messages)).open().readAll());
}

function framed(messages: readonly FlightData[]): Uint8Array {
  const parts = messages.flatMap(({ dataHeader, dataBody }) => {
    const prefix = Buffer.alloc(8, 0xff);
    prefix.writeInt32LE(dataHeader.length, 4);
    return [prefix, dataHeader, dataBody];
  });
  return Buffer.concat([...parts, Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0])]);
}

/** Rows as plain values; 64-bit integers and times are BigInt. */
export function rowsIn(messages: readonly FlightData[]): Record<string, unknown>[] {
  return tableOf(messages).batches.flatMap((batch) =>
    Array.from({ length: batch.numRows }, (_, row) =>
      Object.fromEntries(
        batch.schema.fields.map(({ name }, at) => {
          const vector = batch.getChildAt(at);
          const { values } = vector?.data[0] ?? {};
          const isTime = values instanceof BigInt64Array && vector?.isValid(row) === true;
          return [name, isTime ? values[row] : vector?.get(row)];
        }),
      ),
    ),
  );
}

export function jsonTicket(ticket: Readonly<Record<string, unknown>> | string): Uint8Array {
  return Buffer.from(typeof ticket === "string" ? ticket : JSON.stringify(ticket));
}

export const anyTicket = jsonTicket({ database: "farm", sql_query: "SELECT 1" });

/** A result that a test makes, and whether it was closed. */
export class HandMadeStream implements SqlStream {
  readonly columns: readonly StreamColumn[];
  closed = 0;
  pulled = 0;
  readonly #batches: () => AsyncIterable<SqlBatch>;

  constructor(
    columns: readonly StreamColumn[],
    batches: (stream: HandMadeStream) => AsyncIterable<SqlBatch>,
  ) {
    this.columns = columns;
    this.#batches = () => batches(this);
  }

  async *batches(): AsyncGenerator<SqlBatch> {
    for await (const batch of this.#batches()) {
      this.pulled += 1;
      yield batch;
    }
  }

  close(): void {
    this.closed += 1;
  }
}

export interface HandMadeServer {
  readonly port: number;
  readonly faults: FlightFaults;
  readonly counters: FlightCounters;
  readonly asked: { readonly sql: string; readonly parameters: SqlParameters }[];
  /** Of the next queries; the last one serves on. */
  stream: () => SqlStream;
  stop(): Promise<void>;
}

export async function startHandMade(
  options: { readonly auth?: AuthOptions; readonly keepAliveMs?: number } = {},
): Promise<HandMadeServer> {
  const catalog = new Catalog(coreLimits);
  catalog.createDatabase("farm", undefined);
  const faults = new FlightFaults();
  const counters: FlightCounters = { queries: 0, batches: 0, cancelled: 0, live: 0 };
  const asked: HandMadeServer["asked"] = [];
  const { auth, keepAliveMs = 5000 } = options;
  const made = { stream: (): SqlStream => numbers(3) };
  const store = {
    catalog,
    stream: async (_database: unknown, sql: string, parameters: SqlParameters): Promise<SqlStream> => {
      asked.push({ sql, parameters });
      await setImmediate();
      return made.stream();
    },
  };
  const grpc = new GrpcServer(flightMethods({ store, auth, faults, counters, keepAliveMs }));
  const http1 = createServer((_request, response) => response.end("http"));
  const door = new FrontDoor({ http1, http2: grpc.http2 }, undefined);
  const port = await door.listen(0);
  const stop = async (): Promise<void> => {
    const closed = door.close();
    await grpc.stop();
    door.destroyConnections();
    await closed;
  };
  return Object.assign(made, { port, faults, counters, asked, stop });
}

const numberColumn: StreamColumn = { name: "n", type: "int64", influx: undefined };

/** So many batches of one row: 0, 1, 2 … */
export function numbers(
  count: number,
  between: () => Promise<unknown> = async () => undefined,
): HandMadeStream {
  return new HandMadeStream([numberColumn], async function* () {
    for (let n = 0; n < count; n += 1) {
      await between();
      yield { rowCount: 1, columns: [[BigInt(n)]] };
    }
  });
}
