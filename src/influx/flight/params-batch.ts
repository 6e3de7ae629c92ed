/** Parameters as one record batch of one row, a column for each, as Flight SQL binds them. */
import {
  Bool,
  Field,
  Float64,
  Int64,
  makeData,
  Null,
  RecordBatch,
  Schema,
  Struct,
  Uint64,
  Utf8,
  vectorFromArray,
  type DataType,
} from "apache-arrow";
import type { IpcMessage } from "../arrow/decoder.ts";
import { encodeBatch } from "../arrow/encode.ts";
import type { QueryParam } from "./api.ts";
import { checkFloat, checkInteger, checkName, checkText, foreignType } from "./params.ts";

/** The schema and the batch. Throws the fault `flight_bad_parameter`. */
export function paramsBatch(params: Readonly<Record<string, QueryParam>>): readonly IpcMessage[] {
  const columns = Object.entries(params).map(([name, value]) => {
    checkName(name);
    const type = typeFor(name, value);
    return { field: new Field(name, type, true), data: vectorFromArray([value], type).data.slice(0, 1) };
  });
  const fields = columns.map(({ field }) => field);
  const rows = makeData({
    type: new Struct(fields),
    length: 1,
    nullCount: 0,
    children: columns.flatMap(({ data }) => data),
  });
  return encodeBatch(new RecordBatch(new Schema(fields), rows));
}

function typeFor(name: string, value: QueryParam): DataType {
  switch (typeof value) {
    case "string":
      checkText(value, `the query parameter ${name}`);
      return new Utf8();
    case "boolean":
      return new Bool();
    case "number":
      checkFloat(name, value);
      return new Float64();
    case "bigint":
      checkInteger(name, value);
      return value < 2n ** 63n ? new Int64() : new Uint64();
    default:
      if (value === null) return new Null();
      throw foreignType(name, value);
  }
}
