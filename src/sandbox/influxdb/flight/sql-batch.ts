/** Answers of Flight SQL that are made here, and not by the engine: a few rows in one record batch. */
import { Field, RecordBatch, Schema, Struct, Utf8, makeBuilder, makeData } from "apache-arrow";
import type { Data, DataType } from "apache-arrow";

export interface Column {
  readonly field: Field;
  readonly data: Data;
}

export function required(name: string, type: DataType): Field {
  return new Field(name, type, false);
}

/** The values are what Arrow's builder takes for the type; null where the field may be. */
export function column(field: Field, values: readonly unknown[]): Column {
  const builder = makeBuilder({ type: field.type, nullValues: [null] });
  for (const value of values) builder.append(value);
  return { field, data: builder.finish().flush() };
}

/** Required texts. */
export function texts(name: string, values: readonly string[]): Column {
  return column(required(name, new Utf8()), values);
}

/** All of the same length. */
export function batchOf(columns: readonly Column[]): RecordBatch {
  const fields = columns.map(({ field }) => field);
  const type = new Struct(fields);
  const length = columns[0]?.data.length ?? 0;
  const children = columns.map(({ data }) => data);
  return new RecordBatch(new Schema(fields), makeData({ type, length, nullCount: 0, children }));
}
