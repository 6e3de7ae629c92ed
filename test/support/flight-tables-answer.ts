/** The answer to GetTables as messages. */
import { Binary, Field, makeData, RecordBatch, Schema, Struct, Utf8, vectorFromArray } from "apache-arrow";
import type { FlightMessage } from "../../src/influx/flight/call.ts";
import { messagesOf } from "../unit/influx/flight/fixture.ts";

const fields = [
  ...["catalog_name", "db_schema_name", "table_name", "table_type"].map(
    (name) => new Field(name, new Utf8(), true),
  ),
  new Field("table_schema", new Binary(), false),
];

export function tablesAnswer(
  tables: readonly (readonly [schema: string, table: string, tableSchema: Uint8Array])[],
): FlightMessage[] {
  const texts = [
    tables.map(() => "public"),
    tables.map(([schema]) => schema),
    tables.map(([, table]) => table),
    tables.map(() => "BASE TABLE"),
  ].map((column) => vectorFromArray(column, new Utf8()).data);
  const schemas = vectorFromArray(
    tables.map(([, , schema]) => schema),
    new Binary(),
  ).data;
  const schema = new Schema(fields);
  const rows = makeData({
    type: new Struct(fields),
    length: tables.length,
    nullCount: 0,
    children: [...texts, schemas].flat(),
  });
  return messagesOf(schema, [new RecordBatch(schema, rows)]);
}
