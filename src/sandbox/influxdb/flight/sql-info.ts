/**
 * What InfluxDB 3 says about itself to CommandGetSqlInfo, by the numbers and in the union of the Flight SQL
 * specification: https://arrow.apache.org/docs/format/FlightSql.html
 *
 * Known difference: its lists of keywords (508) and of functions of texts (510), and its map of conversions (517),
 * are left out.
 */
import {
  Bool,
  DenseUnion,
  Field,
  Int32,
  Int64,
  List,
  Map_,
  Struct,
  Uint32,
  Utf8,
  makeData,
} from "apache-arrow";
import type { Data, RecordBatch } from "apache-arrow";

import { batchOf, column, required } from "./sql-batch.ts";
import type { Column } from "./sql-batch.ts";

/** A number is an int32_bitmask, a bigint a bigint_value. */
type Info = string | boolean | bigint | number | readonly string[];

const int32List = new List(new Field("$data$", new Int32(), true));
const entries = new Struct<{ key: Int32; value: typeof int32List }>([
  new Field("key", new Int32(), false),
  new Field("value", int32List, true),
]);

/** In the order of their type ids. */
const members: readonly Field[] = [
  required("string_value", new Utf8()),
  required("bool_value", new Bool()),
  required("bigint_value", new Int64()),
  required("int32_bitmask", new Int32()),
  required("string_list", new List(new Field("item", new Utf8(), true))),
  required("int32_to_int32_list_map", new Map_(new Field("entries", entries, false), false)),
];

function memberOf(info: Info): number {
  switch (typeof info) {
    case "string":
      return 0;
    case "boolean":
      return 1;
    case "bigint":
      return 2;
    case "number":
      return 3;
    default:
      return 4;
  }
}

const longest = 2n ** 31n - 1n;

const infos: ReadonlyMap<number, Info> = new Map<number, Info>([
  // FLIGHT_SQL_SERVER_NAME, _VERSION, _ARROW_VERSION, _READ_ONLY, _SQL, _SUBSTRAIT, _TRANSACTION, _CANCEL.
  [0, "InfluxDB IOx"],
  [1, "2"],
  [2, "1.3"],
  [3, true],
  [4, true],
  [5, false],
  [8, 0],
  [9, false],
  // FLIGHT_SQL_SERVER_STATEMENT_TIMEOUT, _TRANSACTION_TIMEOUT.
  [100, 0],
  [101, 0],
  // SQL_DDL_CATALOG, _SCHEMA, _TABLE.
  [500, false],
  [501, false],
  [502, false],
  // SQL_IDENTIFIER_CASE: lower case. SQL_IDENTIFIER_QUOTE_CHAR. SQL_QUOTED_IDENTIFIER_CASE: insensitive.
  [503, 3],
  [504, '"'],
  [505, 1],
  [506, true],
  // SQL_NULL_ORDERING: high.
  [507, 0],
  // SQL_NUMERIC_FUNCTIONS, SQL_SYSTEM_FUNCTIONS, SQL_DATETIME_FUNCTIONS.
  [
    509,
    "abs acos asin atan atan2 ceil cos exp floor ln log log10 log2 pow power round signum sin sqrt tan trunc".split(
      " ",
    ),
  ],
  [511, ["array", "arrow_typeof", "struct"]],
  [
    512,
    (
      "current_date current_time date_bin date_part date_trunc datepart datetrunc from_unixtime now to_timestamp " +
      "to_timestamp_micros to_timestamp_millis to_timestamp_seconds"
    ).split(" "),
  ],
  // SQL_SEARCH_STRING_ESCAPE, SQL_EXTRA_NAME_CHARACTERS.
  [513, "\\"],
  [514, ""],
  ...flags([515, 516, 520, 521, 523, 524, 539, 556, 566], true),
  ...flags([518, 519, 527, 532, 536, 537, 563, 565, 572, 573, 574, 575, 576], false),
  // SQL_SUPPORTED_GROUP_BY, _GRAMMAR, SQL_ANSI92_SUPPORTED_LEVEL, SQL_OUTER_JOINS_SUPPORT_LEVEL.
  [522, 3],
  [525, 1],
  [526, 0b111],
  [528, 2],
  // SQL_SCHEMA_TERM, SQL_PROCEDURE_TERM.
  [529, "schema"],
  [530, "procedure"],
  ...[533, 534, 535, 564, 567, 568, 569, 570, 571].map((code) => [code, 0] as const),
  // SQL_SUPPORTED_SUBQUERIES, SQL_SUPPORTED_UNIONS.
  [538, 15],
  [540, 3],
  // SQL_MAX_BINARY_LITERAL_LENGTH to SQL_MAX_ROW_SIZE, SQL_MAX_STATEMENT_LENGTH to SQL_MAX_USERNAME_LENGTH.
  ...codes(541, 555).map((code) => [code, longest] as const),
  ...codes(557, 561).map((code) => [code, longest] as const),
  // SQL_DEFAULT_TRANSACTION_ISOLATION.
  [562, 0n],
]);

function flags(numbers: readonly number[], flag: boolean): [number, boolean][] {
  return numbers.map((code) => [code, flag]);
}

function codes(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, at) => first + at);
}

/** None asked for: all. A number that is not known has no row. */
export function sqlInfo(asked: readonly number[]): RecordBatch {
  const wanted = new Set(asked);
  const rows = [...infos].filter(([code]) => wanted.size === 0 || wanted.has(code));
  rows.sort(([a], [b]) => a - b);
  return batchOf([
    column(
      required("info_name", new Uint32()),
      rows.map(([code]) => code),
    ),
    unionColumn(rows.map(([, info]) => info)),
  ]);
}

/** Dense: each member has its own values, and each row the number of its member and the place there. */
function unionColumn(values: readonly Info[]): Column {
  const typeIds = values.map(memberOf);
  const places = values.map((_, at) => typeIds.slice(0, at).filter((id) => id === typeIds[at]).length);
  const children = members.map((field, id): Data => {
    const own = values.filter((_, at) => typeIds[at] === id);
    return column(field, own).data;
  });
  const type = new DenseUnion(codes(0, members.length - 1), [...members]);
  const data = makeData({
    type,
    length: values.length,
    nullCount: 0,
    typeIds: Int8Array.from(typeIds),
    valueOffsets: Int32Array.from(places),
    children,
  });
  return { field: required("value", type), data };
}
