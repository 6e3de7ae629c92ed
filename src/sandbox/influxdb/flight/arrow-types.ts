/** Columns of a result as an Arrow schema, their cells as Arrow data: the types that InfluxDB 3 sends. */
import {
  Bool,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  Schema,
  TimestampNanosecond,
  Uint64,
  Utf8,
  Vector,
  makeData,
} from "apache-arrow";
import type { Data, DataType } from "apache-arrow";

import type { StreamColumn } from "../sql-stream.ts";
import type { SqlCell } from "../sql.ts";

export interface SchemaOptions {
  /** Tags as Dictionary<Int32, Utf8>; InfluxDB unpacks them to Utf8. */
  readonly dictionaries: boolean;
  /** Of the schema as a whole. */
  readonly metadata?: ReadonlyMap<string, string>;
}

const typeKey = "iox::column::type";

export function schemaOf(columns: readonly StreamColumn[], options: SchemaOptions): Schema {
  const fields = columns.map((column, at) => {
    const { name, influx } = column;
    const metadata = new Map<string, string>();
    if (influx !== undefined) metadata.set(typeKey, `iox::column_type::${influx}`);
    const isDictionary = options.dictionaries && influx === "tag";
    const type = isDictionary ? new Dictionary(new Utf8(), new Int32(), at) : new arrowTypes[column.type]();
    return new Field(name, type, influx !== "timestamp", metadata);
  });
  return new Schema(fields, new Map(options.metadata));
}

const arrowTypes: Readonly<Record<StreamColumn["type"], new () => DataType>> = {
  timestamp: TimestampNanosecond,
  int64: Int64,
  uint64: Uint64,
  float64: Float64,
  utf8: Utf8,
  boolean: Bool,
};

export function dataOf(field: Field, column: StreamColumn, cells: readonly SqlCell[]): Data {
  if (field.type instanceof Dictionary) return dictionaryData(field.type as Dictionary<Utf8, Int32>, cells);
  const { length } = cells;
  const nulls = nullsOf(cells);
  switch (column.type) {
    case "timestamp":
      return makeData({ type: new TimestampNanosecond(), length, ...nulls, data: signed(cells) });
    case "int64":
      return makeData({ type: new Int64(), length, ...nulls, data: signed(cells) });
    case "uint64":
      return makeData({ type: new Uint64(), length, ...nulls, data: BigUint64Array.from(cells, integer) });
    case "float64":
      return makeData({ type: new Float64(), length, ...nulls, data: Float64Array.from(cells, Number) });
    case "utf8":
      return utf8Data(cells);
    default:
      return makeData({ type: new Bool(), length, ...nulls, data: bitmap(cells, (cell) => cell === true) });
  }
}

function utf8Data(cells: readonly SqlCell[]): Data<Utf8> {
  const texts = cells.map((cell) => (cell === null ? "" : String(cell)));
  const data = Buffer.from(texts.join(""));
  const valueOffsets = new Int32Array(cells.length + 1);
  for (const [at, text] of texts.entries()) {
    valueOffsets[at + 1] = (valueOffsets[at] ?? 0) + Buffer.byteLength(text);
  }
  return makeData({ type: new Utf8(), length: cells.length, ...nullsOf(cells), valueOffsets, data });
}

/** With a dictionary of its own, so that every batch replaces the one before. */
function dictionaryData(type: Dictionary<Utf8, Int32>, cells: readonly SqlCell[]): Data {
  const values = new Map<string, number>();
  const data = Int32Array.from(cells, (cell) => {
    if (cell === null) return 0;
    const text = String(cell);
    const index = values.get(text) ?? values.size;
    values.set(text, index);
    return index;
  });
  const dictionary = new Vector([utf8Data([...values.keys()])]);
  return makeData({ type, length: cells.length, ...nullsOf(cells), data, dictionary });
}

function nullsOf(cells: readonly SqlCell[]): { nullCount: number; nullBitmap: Uint8Array } {
  const nullCount = cells.reduce<number>((count, cell) => count + Number(cell === null), 0);
  return {
    nullCount,
    nullBitmap: nullCount === 0 ? new Uint8Array() : bitmap(cells, (cell) => cell !== null),
  };
}

/** Least significant bit first. */
function bitmap(cells: readonly SqlCell[], isSet: (cell: SqlCell) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(cells.length / 8));
  for (const [at, cell] of cells.entries()) {
    if (isSet(cell)) bits[at >> 3] = (bits[at >> 3] ?? 0) | (1 << (at & 7));
  }
  return bits;
}

function signed(cells: readonly SqlCell[]): BigInt64Array {
  return BigInt64Array.from(cells, integer);
}

/** DuckDB gives integers of up to 32 bits as numbers. */
function integer(cell: SqlCell): bigint {
  return typeof cell === "bigint" ? cell : BigInt(Number(cell));
}
