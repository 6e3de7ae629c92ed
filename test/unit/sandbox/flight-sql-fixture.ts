/** A Flight SQL client with nothing of ours in it: grpc-js for the calls, Arrow's own reader and writer for the rest. */
import assert from "node:assert/strict";

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { Client, Metadata, credentials } from "@grpc/grpc-js";
import type { ServiceError } from "@grpc/grpc-js";
import { Message, RecordBatchReader, RecordBatchStreamWriter, tableFromArrays } from "apache-arrow";
import type { Schema, Table } from "apache-arrow";

import {
  ActionSchema,
  FlightDataSchema,
  FlightDescriptorSchema,
  FlightDescriptor_DescriptorType,
  FlightInfoSchema,
  PutResultSchema,
  ResultSchema,
} from "../../../src/proto/flight/flight_pb.js";
import type { FlightInfo } from "../../../src/proto/flight/flight_pb.js";
import {
  ActionCreatePreparedStatementRequestSchema,
  ActionCreatePreparedStatementResultSchema,
  CommandPreparedStatementQuerySchema,
  CommandStatementQuerySchema,
  DoPutPreparedStatementResultSchema,
} from "../../../src/proto/flight/flight_sql_pb.js";
import type { ActionCreatePreparedStatementResult } from "../../../src/proto/flight/flight_sql_pb.js";
import { RawFlight, readAll, rowsIn, tableOf } from "./flight-fixture.ts";
import type { Answer } from "./flight-fixture.ts";

const service = "/arrow.flight.protocol.FlightService/";
const typePrefix = "type.googleapis.com/";

export type Headers = Readonly<Record<string, string>>;

export const farm: Headers = { database: "farm" };

/** A message in an Any. */
export function packed<Desc extends DescMessage>(
  schema: Desc,
  init?: MessageInitShape<Desc>,
): Uint8Array<ArrayBuffer> {
  const value = toBinary(schema, create(schema, init));
  return anyOf(typePrefix + schema.typeName, value);
}

export function anyOf(typeUrl: string, value: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(toBinary(AnySchema, create(AnySchema, { typeUrl, value })));
}

export function unpacked<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  const { typeUrl, value } = fromBinary(AnySchema, bytes);
  assert.equal(typeUrl, typePrefix + schema.typeName);
  return fromBinary(schema, value);
}

/** Of an encapsulated message. */
export function schemaIn(bytes: Uint8Array): Schema {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assert.equal(view.getInt32(0), -1);
  assert.equal(view.getInt32(4, true) + 8, bytes.length);
  return RecordBatchReader.from(bytes).open().schema;
}

/** Name, type, and whether null may stand there. */
export function fieldsIn(bytes: Uint8Array): [string, string, boolean][] {
  return schemaIn(bytes).fields.map(({ name, type, nullable }) => [name, String(type), nullable]);
}

export interface IpcParts {
  readonly dataHeader: Uint8Array;
  readonly dataBody: Uint8Array;
}

/** The messages of an IPC stream, as Flight carries them. */
export function partsOf(table: Table): IpcParts[] {
  const stream = RecordBatchStreamWriter.writeAll(table).toUint8Array(true);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  const parts: IpcParts[] = [];
  for (let at = 0; at + 8 <= stream.length && view.getInt32(at + 4, true) !== 0;) {
    const bodyAt = at + 8 + view.getInt32(at + 4, true);
    const dataHeader = stream.subarray(at + 8, bodyAt);
    const { bodyLength } = Message.decode(dataHeader);
    parts.push({ dataHeader, dataBody: stream.subarray(bodyAt, bodyAt + bodyLength) });
    at = bodyAt + bodyLength;
  }
  return parts;
}

/** One row, of Arrow's guess at the types. */
export function rowOf(values: Readonly<Record<string, unknown[] | Int32Array>>): Table {
  return tableFromArrays(values as Parameters<typeof tableFromArrays>[0]);
}

interface Refusal {
  readonly code: number;
  readonly details: string;
}

function raw(bytes: Buffer): Buffer {
  return bytes;
}

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

export class RawFlightSql {
  readonly flight: RawFlight;
  readonly #client: Client;
  readonly #headers: Headers;

  constructor(port: number, headers: Headers = farm) {
    this.flight = new RawFlight(port);
    this.#client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    this.#headers = headers;
  }

  close(): void {
    this.flight.close();
    this.#client.close();
  }

  async info(command: Uint8Array, headers = this.#headers): Promise<FlightInfo | Refusal> {
    const type = FlightDescriptor_DescriptorType.CMD;
    const descriptor = create(FlightDescriptorSchema, { type, cmd: command });
    return await this.infoFor(toBinary(FlightDescriptorSchema, descriptor), headers);
  }

  async infoFor(descriptor: Uint8Array, headers = this.#headers): Promise<FlightInfo | Refusal> {
    const path = `${service}GetFlightInfo`;
    return await new Promise((resolve) => {
      const done = (error: ServiceError | null, reply?: Buffer): void => {
        if (reply !== undefined && error === null) resolve(fromBinary(FlightInfoSchema, reply));
        else resolve({ code: error?.code ?? -1, details: error?.details ?? "" });
      };
      const request = Buffer.from(descriptor);
      this.#client.makeUnaryRequest(path, raw, raw, request, metadataOf(headers), done);
    });
  }

  async act(body: Uint8Array, headers = this.#headers, type = "any"): Promise<Answer<Uint8Array>> {
    const request = Buffer.from(toBinary(ActionSchema, create(ActionSchema, { type, body })));
    const call = this.#client.makeServerStreamRequest(
      `${service}DoAction`,
      raw,
      (bytes) => fromBinary(ResultSchema, bytes).body,
      request,
      metadataOf(headers),
    );
    return await readAll(call);
  }

  /** The command stands with the first message. */
  async put(
    command: Uint8Array | undefined,
    parts: readonly IpcParts[],
    headers = this.#headers,
  ): Promise<Answer<Uint8Array>> {
    const call = this.#client.makeBidiStreamRequest(
      `${service}DoPut`,
      raw,
      (bytes) => fromBinary(PutResultSchema, bytes).appMetadata,
      metadataOf(headers),
    );
    const answer = readAll(call);
    const type = FlightDescriptor_DescriptorType.CMD;
    for (const [at, part] of (parts.length === 0 ? [{}] : parts).entries()) {
      const described = at === 0 && command !== undefined ? { flightDescriptor: { type, cmd: command } } : {};
      const data = create(FlightDataSchema, { ...part, ...described });
      call.write(Buffer.from(toBinary(FlightDataSchema, data)));
    }
    call.end();
    return await answer;
  }

  /** GetFlightInfo and DoGet of its ticket. */
  async read(command: Uint8Array, headers = this.#headers): Promise<Answer> {
    const info = await this.info(command, headers);
    assert.ok("endpoint" in info, "details" in info ? info.details : "");
    return await this.flight.ask(ticketIn(info), { headers });
  }

  async table(command: Uint8Array, headers = this.#headers): Promise<Table> {
    const { code, details, messages } = await this.read(command, headers);
    assert.equal(code, 0, details);
    return tableOf(messages);
  }

  async rows(command: Uint8Array, headers = this.#headers): Promise<Record<string, unknown>[]> {
    const { code, details, messages } = await this.read(command, headers);
    assert.equal(code, 0, details);
    return rowsIn(messages);
  }

  async prepare(query: string): Promise<ActionCreatePreparedStatementResult> {
    const body = packed(ActionCreatePreparedStatementRequestSchema, { query });
    const { code, details, messages } = await this.act(body, undefined, "CreatePreparedStatement");
    assert.equal(code, 0, details);
    const [result] = messages;
    assert.ok(result !== undefined && messages.length === 1);
    return unpacked(ActionCreatePreparedStatementResultSchema, result);
  }

  /** Gives the new handle. */
  async bind(handle: Uint8Array, parameters: Table): Promise<Uint8Array> {
    const { code, details, messages } = await this.put(preparedQuery(handle), partsOf(parameters));
    assert.equal(code, 0, details);
    const [result] = messages;
    assert.ok(result !== undefined && messages.length === 1);
    const { preparedStatementHandle } = fromBinary(DoPutPreparedStatementResultSchema, result);
    assert.ok(preparedStatementHandle !== undefined);
    return preparedStatementHandle;
  }
}

export function ticketIn({ endpoint }: FlightInfo): Uint8Array {
  const [only] = endpoint;
  assert.ok(only?.ticket !== undefined && endpoint.length === 1);
  return only.ticket.ticket;
}

export function statement(query: string): Uint8Array {
  return packed(CommandStatementQuerySchema, { query });
}

export function preparedQuery(handle: Uint8Array): Uint8Array {
  return packed(CommandPreparedStatementQuerySchema, { preparedStatementHandle: handle });
}
