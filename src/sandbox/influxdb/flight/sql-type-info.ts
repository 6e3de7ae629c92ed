/** What InfluxDB 3 says to CommandGetXdbcTypeInfo, by the number of the type, as the specification orders it. */
import { Bool, Field, Int32, List, Utf8 } from "apache-arrow";
import type { DataType, RecordBatch } from "apache-arrow";

import { batchOf, column } from "./sql-batch.ts";

interface TypeInfo {
  readonly name: string;
  /** Of XdbcDataType. */
  readonly dataType: number;
  readonly size: number;
  /** Around a literal. */
  readonly quote?: string;
  readonly createParams?: readonly string[];
  readonly caseSensitive?: boolean;
  readonly isNumeric?: boolean;
  readonly subcode?: number;
}

const longest = 2 ** 31 - 1;

const types: readonly TypeInfo[] = [
  { name: "INTEGER", dataType: 4, size: 32, isNumeric: true },
  { name: "FLOAT", dataType: 6, size: 24, isNumeric: true },
  { name: "INTERVAL", dataType: 10, size: longest, quote: "'", subcode: 0 },
  { name: "VARCHAR", dataType: 12, size: longest, quote: "'", createParams: ["length"], caseSensitive: true },
  { name: "TIMESTAMP", dataType: 93, size: longest, quote: "'" },
];

/** Nullable: yes. Searchable: in every way. */
const nullable = 1;
const searchable = 3;

type Read = (type: TypeInfo) => unknown;

const columns: readonly (readonly [name: string, type: DataType, isNullable: boolean, read: Read])[] = [
  ["type_name", new Utf8(), false, ({ name }) => name],
  ["data_type", new Int32(), false, ({ dataType }) => dataType],
  ["column_size", new Int32(), true, ({ size }) => size],
  ["literal_prefix", new Utf8(), true, ({ quote }) => quote ?? null],
  ["literal_suffix", new Utf8(), true, ({ quote }) => quote ?? null],
  [
    "create_params",
    new List(new Field("item", new Utf8(), false)),
    true,
    ({ createParams }) => createParams ?? null,
  ],
  ["nullable", new Int32(), false, () => nullable],
  ["case_sensitive", new Bool(), false, ({ caseSensitive }) => caseSensitive === true],
  ["searchable", new Int32(), false, () => searchable],
  ["unsigned_attribute", new Bool(), true, ({ isNumeric }) => (isNumeric === true ? false : null)],
  ["fixed_prec_scale", new Bool(), false, () => false],
  ["auto_increment", new Bool(), true, ({ isNumeric }) => (isNumeric === true ? false : null)],
  ["local_type_name", new Utf8(), true, ({ name }) => name],
  ["minimum_scale", new Int32(), true, () => null],
  ["maximum_scale", new Int32(), true, () => null],
  ["sql_data_type", new Int32(), false, ({ dataType }) => dataType],
  ["datetime_subcode", new Int32(), true, ({ subcode }) => subcode ?? null],
  ["num_prec_radix", new Int32(), true, ({ isNumeric }) => (isNumeric === true ? 2 : null)],
  ["interval_precision", new Int32(), true, () => null],
];

/** Undefined: of all types. */
export function xdbcTypeInfo(dataType: number | undefined): RecordBatch {
  const rows = types.filter((type) => dataType === undefined || type.dataType === dataType);
  return batchOf(
    columns.map(([name, type, isNullable, read]) =>
      column(new Field(name, type, isNullable), rows.map(read)),
    ),
  );
}
