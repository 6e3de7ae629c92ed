/** The WHERE of InfluxQL as SQL: comparisons of a column with a literal, of `time` with a time, AND, OR, brackets. */
import type { Table } from "../catalog.ts";
import { quoted } from "../duckdb.ts";
import { durationNs, notImplemented } from "./influxql-tokens.ts";
import type { TokenReader } from "./influxql-tokens.ts";

const operators: readonly string[] = ["=", "!=", "<>", "<", "<=", ">", ">="];

export function conditionOf(reader: TokenReader, table: Table): string {
  let sql = conjunctionOf(reader, table);
  while (reader.take("OR")) sql += ` OR ${conjunctionOf(reader, table)}`;
  return sql;
}

function conjunctionOf(reader: TokenReader, table: Table): string {
  let sql = termOf(reader, table);
  while (reader.take("AND")) sql += ` AND ${termOf(reader, table)}`;
  return sql;
}

function termOf(reader: TokenReader, table: Table): string {
  if (reader.take("(")) {
    const inner = conditionOf(reader, table);
    reader.expect(")");
    return `(${inner})`;
  }
  const name = reader.identifier();
  const operator = reader.next().value;
  if (!operators.includes(operator)) throw notImplemented(`the operator ${operator}`);
  if (name === "time") return `time ${operator} ${timeOf(reader)}`;
  const column = table.columns.get(name);
  if (column === undefined) throw notImplemented(`the column ${name}, which ${table.name} does not have`);
  const sql = quoted(column.sqlName);
  // A tag that a point does not have is an empty text in InfluxQL.
  const compared = column.kind === "tag" ? `coalesce(${sql}, '')` : sql;
  return `${compared} ${operator} ${literalOf(reader)}`;
}

function literalOf(reader: TokenReader): string {
  const sign = reader.take("-") ? "-" : "";
  const { kind, value } = reader.next();
  if (kind === "number") return sign + value;
  if (kind === "parameter" && sign === "") return `$${value}`;
  if (kind === "text" && sign === "") return `'${value.replaceAll("'", "''")}'`;
  if (kind === "word" && /^(?:true|false)$/i.test(value)) return value;
  throw notImplemented(`a comparison with ${value}`);
}

/** `now()`, a text, nanoseconds or a duration since 1970, and durations added to it or taken away. */
function timeOf(reader: TokenReader): string {
  let sql = instantOf(reader);
  for (;;) {
    const sign = reader.take("-") ? "-" : reader.take("+") ? "+" : undefined;
    if (sign === undefined) return sql;
    const { kind, value } = reader.next();
    if (kind !== "duration") throw notImplemented(`${value} as a duration`);
    // In nanoseconds: DuckDB's intervals have microseconds.
    sql = `make_timestamp_ns(epoch_ns(${sql}) ${sign} ${durationNs(value)})`;
  }
}

function instantOf(reader: TokenReader): string {
  if (reader.take("NOW", "(", ")")) return "now()";
  const sign = reader.take("-") ? "-" : "";
  const { kind, value } = reader.next();
  if (kind === "number" && !value.includes(".")) return `make_timestamp_ns(${sign}${value})`;
  if (kind === "duration") return `make_timestamp_ns(${sign}${durationNs(value)})`;
  if (kind === "parameter" && sign === "") return `CAST($${value} AS TIMESTAMP_NS)`;
  if (kind !== "text" || sign !== "") throw notImplemented(`${value} as a time`);
  return `make_timestamp_ns(${nanosecondsOf(value)})`;
}

function nanosecondsOf(text: string): bigint {
  const match = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  const [, date = "", time = "00:00:00", fraction = "", zone = "Z"] = match ?? [];
  const ms = Date.parse(`${date}T${time}${zone}`);
  if (match === null || Number.isNaN(ms)) throw notImplemented(`'${text}' as a time`);
  return BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0"));
}
