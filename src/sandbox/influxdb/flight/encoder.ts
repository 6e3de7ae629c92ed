/**
 * A result as Arrow IPC messages for Flight: each a flatbuffer and its body, without the framing that they
 * have in a file. Arrow's own writer makes them.
 */
import { DataType, Message, RecordBatch, RecordBatchStreamWriter, Struct, makeData } from "apache-arrow";
import type { Schema } from "apache-arrow";

import { assert } from "../../../lib/fault.ts";
import type { SqlBatch, StreamColumn } from "../sql-stream.ts";
import type { SqlCell } from "../sql.ts";
import { dataOf, schemaOf } from "./arrow-types.ts";
import type { SchemaOptions } from "./arrow-types.ts";

export interface IpcMessage {
  /** A bare flatbuffer `Message`. */
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}

/** DataFusion's batch size. */
const maxRows = 8192;
/** arrow-flight's `GRPC_TARGET_MAX_FLIGHT_SIZE_BYTES`: aimed at, and missed by rows that are bigger. */
const targetBytes = 2 * 1024 * 1024;

export class BatchEncoder {
  readonly schema: Schema;
  readonly #columns: readonly StreamColumn[];

  constructor(columns: readonly StreamColumn[], options: SchemaOptions) {
    this.#columns = columns;
    this.schema = schemaOf(columns, options);
  }

  get hasDictionaries(): boolean {
    return this.schema.fields.some(({ type }) => DataType.isDictionary(type));
  }

  schemaMessage(): IpcMessage {
    const [schema] = messagesOf(this.#recordBatch(this.#columns.map(() => [])));
    assert(schema !== undefined, "an IPC stream begins with its schema");
    return schema;
  }

  /** Its dictionaries first, if any. */
  keepAlive(): IpcMessage[] {
    return messagesOf(this.#recordBatch(this.#columns.map(() => []))).slice(1);
  }

  /** One element per record batch: of at most 8192 rows, and near 2 MiB where they are wide. */
  *encode(batch: SqlBatch): Generator<IpcMessage[]> {
    for (let start = 0; start < batch.rowCount; start += maxRows) {
      const part = batch.columns.map((cells) => cells.slice(start, start + maxRows));
      const rowCount = Math.min(maxRows, batch.rowCount - start);
      const pieces = Math.min(rowCount, Math.ceil(sizeOf(part) / targetBytes));
      const step = Math.ceil(rowCount / Math.max(pieces, 1));
      for (let at = 0; at < rowCount; at += step) {
        const cells = step === rowCount ? part : part.map((column) => column.slice(at, at + step));
        yield messagesOf(this.#recordBatch(cells)).slice(1);
      }
    }
  }

  #recordBatch(cells: readonly (readonly SqlCell[])[]): RecordBatch {
    const children = this.#columns.map((column, at) => {
      const field = this.schema.fields[at];
      assert(field !== undefined, "every column has its field");
      return dataOf(field, column, cells[at] ?? []);
    });
    const length = cells[0]?.length ?? 0;
    const type = new Struct(this.schema.fields);
    return new RecordBatch(this.schema, makeData({ type, length, nullCount: 0, children }));
  }
}

/** About what Arrow takes for them. */
function sizeOf(columns: readonly (readonly SqlCell[])[]): number {
  let bytes = 0;
  for (const cells of columns) {
    for (const cell of cells) bytes += typeof cell === "string" ? 4 + Buffer.byteLength(cell) : 8;
  }
  return bytes;
}

/** With the continuation marker and the length before it, as the message has them in a stream. */
export function encapsulated(header: Uint8Array): Uint8Array {
  const padding = (8 - (header.length % 8)) % 8;
  const message = Buffer.alloc(8 + header.length + padding, 0);
  message.fill(0xff, 0, 4);
  message.writeInt32LE(header.length + padding, 4);
  message.set(header, 8);
  return message;
}

/** A schema where protobuf has one: an encapsulated message. */
export function encapsulatedSchema(schema: Schema): Uint8Array {
  return encapsulated(Message.encode(Message.from(schema)));
}

/** The messages of an IPC stream of this batch: schema, dictionaries, batch. */
export function messagesOf(batch: RecordBatch): IpcMessage[] {
  const stream = RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.length);
  const messages: IpcMessage[] = [];
  // Each begins with the continuation marker and the length of its header; the last length is 0.
  for (let at = 0; at + 8 <= stream.length;) {
    const headerLength = view.getInt32(at + 4, true);
    if (headerLength === 0) break;
    const header = stream.subarray(at + 8, at + 8 + headerLength);
    const bodyAt = at + 8 + headerLength;
    const { bodyLength } = Message.decode(header);
    messages.push({ header, body: stream.subarray(bodyAt, bodyAt + bodyLength) });
    at = bodyAt + bodyLength;
  }
  return messages;
}
