/** What the Flight benchmarks send: a schema and one record batch, made by arrow's own writer. */
import {
  Field,
  Float64,
  Int64,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampNanosecond,
  Utf8,
  type Data,
} from "apache-arrow";

export const rowsPerBatch = 8192;

interface Message {
  readonly dataHeader: Uint8Array<ArrayBuffer>;
  readonly dataBody: Uint8Array<ArrayBuffer>;
}

export function sampleMessages(): readonly [schema: Message, batch: Message] {
  const [schema, batch] = messagesOf(RecordBatchStreamWriter.writeAll([sampleBatch()]).toUint8Array(true));
  if (schema === undefined || batch === undefined) throw new Error("the writer wrote something else");
  return [schema, batch];
}

/** time, device EUI (48 of them), a float and an integer. */
function sampleBatch(): RecordBatch {
  const influx = (type: string): Map<string, string> =>
    new Map([["iox::column::type", `iox::column_type::${type}`]]);
  const schema = new Schema([
    new Field("time", new TimestampNanosecond(), false, influx("timestamp")),
    new Field("dev_eui", new Utf8(), true, influx("tag")),
    new Field("temperature", new Float64(), true, influx("field::float")),
    new Field("f_cnt", new Int64(), true, influx("field::integer")),
  ]);
  const rows = Array.from({ length: rowsPerBatch }, (_, row) => row);
  const text = rows.map((row) => `00168810000000${(row % 48).toString(16).padStart(2, "0")}`);
  const children: Data[] = [
    makeData({
      type: new TimestampNanosecond(),
      data: BigInt64Array.from(rows, (row) => 1_763_800_000_000_000_000n + BigInt(row) * 1_000_000_007n),
    }),
    makeData({
      type: new Utf8(),
      valueOffsets: Int32Array.from({ length: rowsPerBatch + 1 }, (_, row) => row * 16),
      data: Buffer.from(text.join("")),
    }),
    makeData({ type: new Float64(), data: Float64Array.from(rows, (row) => 20 + (row % 100) / 10) }),
    makeData({ type: new Int64(), data: BigInt64Array.from(rows, BigInt) }),
  ];
  const struct = makeData({ type: new Struct(schema.fields), length: rowsPerBatch, nullCount: 0, children });
  return new RecordBatch(schema, struct);
}

/** An IPC stream, cut into headers and bodies: 0xFFFFFFFF, length, header, body. */
function messagesOf(stream: Uint8Array): Message[] {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  const messages: Message[] = [];
  for (let at = 0; at + 8 <= stream.length;) {
    const headerBytes = view.getInt32(at + 4, true);
    if (headerBytes === 0) break;
    const dataHeader = Uint8Array.from(stream.subarray(at + 8, at + 8 + headerBytes));
    const bodyBytes = bodyLength(dataHeader);
    const bodyAt = at + 8 + headerBytes;
    messages.push({ dataHeader, dataBody: Uint8Array.from(stream.subarray(bodyAt, bodyAt + bodyBytes)) });
    at = bodyAt + bodyBytes;
  }
  return messages;
}

/** `bodyLength` of a Message: the fourth slot of its table. */
function bodyLength(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const table = view.getUint32(0, true);
  const vtable = table - view.getInt32(table, true);
  const slot = 4 + 3 * 2;
  const offset = slot < view.getUint16(vtable, true) ? view.getUint16(vtable + slot, true) : 0;
  return offset === 0 ? 0 : Number(view.getBigInt64(table + offset, true));
}
