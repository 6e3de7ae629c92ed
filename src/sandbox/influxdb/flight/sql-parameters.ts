/**
 * Parameters of a prepared statement: one row of Arrow, where the name of a column is that of its placeholder. Arrow's
 * own reader decodes it, and it comes from anybody: what that throws is the caller's to report.
 *
 * Known difference: a time or a date is bound as its text, which a column of times is compared with all the same.
 */
import { DataType, RecordBatchReader, RecordBatchStreamWriter, TimeUnit } from "apache-arrow";
import type { Data, RecordBatch, Vector } from "apache-arrow";

import type { SqlParameters } from "../sql.ts";
import type { IpcMessage } from "./encoder.ts";
import { encapsulated } from "./encoder.ts";

type Value = SqlParameters[string];

/** Of the first row of an Arrow IPC stream; none where it has no batch, as in InfluxDB. */
export function parametersIn(stream: Uint8Array): SqlParameters {
  const batch = firstBatch(stream);
  if (batch === undefined) return {};
  if (batch.numRows < 1) throw new RangeError("Arrow error: Compute error: there is no row of parameters");
  return Object.fromEntries(
    batch.schema.fields.map(({ name }, at) => [name, valueOf(batch.getChildAt(at), name)]),
  );
}

/** The first batch of these messages as an IPC stream of its own; undefined: there is none. */
export function firstBatchOf(messages: readonly IpcMessage[]): Uint8Array | undefined {
  const end = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0);
  const parts = messages.flatMap(({ header, body }) => [encapsulated(header), body]);
  const batch = firstBatch(Buffer.concat([...parts, end]));
  return batch === undefined ? undefined : RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true);
}

function firstBatch(stream: Uint8Array): RecordBatch | undefined {
  const { done, value } = RecordBatchReader.from(stream).open().next();
  return done === true ? undefined : value;
}

function valueOf(column: Vector | null, name: string): Value {
  const [data] = column?.data ?? [];
  if (column === null || data === undefined || !column.isValid(0)) return null;
  const { type } = column;
  if (DataType.isNull(type)) return null;
  if (DataType.isTimestamp(type)) return timeText(data, type.unit, type.timezone);
  if (DataType.isDate(type)) return new Date(Number(column.get(0))).toISOString().slice(0, 10);
  const value: unknown = column.get(0);
  if (DataType.isInt(type) && typeof value === "number") return BigInt(value);
  if (typeof value === "bigint" && DataType.isInt(type)) return value;
  // Texts, floats and booleans, also out of a dictionary.
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && DataType.isFloat(type)) return value;
  throw new TypeError(`This feature is not implemented: the parameter ${name} of the type ${String(type)}`);
}

const nanosecondsIn: Readonly<Record<TimeUnit, bigint>> = {
  [TimeUnit.SECOND]: 1_000_000_000n,
  [TimeUnit.MILLISECOND]: 1_000_000n,
  [TimeUnit.MICROSECOND]: 1000n,
  [TimeUnit.NANOSECOND]: 1n,
};

function timeText({ values, offset }: Data, unit: TimeUnit, zone: string | null | undefined): string {
  const raw: unknown = (values as ArrayLike<unknown>)[offset];
  if (typeof raw !== "bigint") throw new TypeError("Arrow error: Cast error: no time");
  const ns = raw * nanosecondsIn[unit];
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, 19);
  const text = `${seconds}.${String(fraction).padStart(9, "0")}`;
  return zone === null || zone === undefined ? text : `${text}Z`;
}
