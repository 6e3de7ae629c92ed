/**
 * Plain rows out of record batches.
 *
 * One pass over each column fills one property of all rows: typed arrays are read as they are, without arrow-js's row
 * proxies, whose getters round nanoseconds and decide on the type at each value.
 *
 * Rows are ordinary objects with one own property for each column, null included, in the order of the schema (names
 * like "7" come first: JavaScript orders them so). Columns of one name: see `distinctNames`. Nothing in a row refers to
 * the batch it came from. Entries of a dictionary are shared between rows.
 */
import type { RecordBatch, Schema } from "apache-arrow";
import { assert } from "../../lib/fault.ts";
import { childOf, type Get } from "./column-reader.ts";
import { distinctNames, objectsWith, type Writable } from "./objects.ts";
import { readerOf } from "./readers.ts";
import type { Row, RowOptions } from "./values.ts";

export type { Row, RowOptions, Value } from "./values.ts";

/**
 * Compiles a reader for the batches of one schema, as decoder.ts makes them: their buffers, offsets and texts have been
 * checked. It, and what it returns, throws Faults which name the column: flight_unsupported_type, flight_bad_stream
 * (a time of day of 25 hours), flight_result_too_big (a text longer than a string can be).
 */
export function rowsOf(schema: Schema, options: RowOptions = {}): (batch: RecordBatch) => Row[] {
  const names = distinctNames(schema.fields.map((field) => field.name));
  const readers = schema.fields.map((field) => readerOf(field.type, field.name, options));
  const blank = objectsWith(names);
  return (batch) => {
    assert(batch.numCols === names.length, "a batch is read with the schema of its stream");
    const gets = readers.map((bind, index) => bind(childOf(batch.data, index)));
    const rows: Writable[] = [];
    for (let index = 0; index < batch.numRows; index += 1) rows.push(blank());
    gets.forEach((get, index) => fill(rows, names[index] as string, get));
    return rows;
  };
}

function fill(rows: readonly Writable[], name: string, get: Get): void {
  for (let index = 0; index < rows.length; index += 1) (rows[index] as Writable)[name] = get(index);
}
