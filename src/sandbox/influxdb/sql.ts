/** One reading statement of a client, and its rows as plain values. */
import type { DuckDBTypeId } from "@duckdb/node-api";

import { errorText } from "../../lib/fault.ts";
import type { Database } from "./catalog.ts";
import { Unconfined, confine } from "./confine.ts";
import type { DuckDBConnection, DuckDBValue, DuckDb } from "./duckdb.ts";

export type SqlParameters = Readonly<Record<string, null | boolean | number | string>>;

/** 64-bit integers and nanosecond timestamps are BigInt; what InfluxDB has no type for is text. */
export type SqlCell = null | boolean | number | bigint | string;

export interface SqlColumn {
  readonly name: string;
  readonly type: "timestamp" | "float" | "other";
}

export interface SqlResult {
  readonly columns: readonly SqlColumn[];
  readonly rows: readonly (readonly SqlCell[])[];
}

/** The statement is wrong or does more than read; the message is for the client. */
export class SqlRefusal extends Error {}

/** `$name` placeholders take their values from `parameters`. Sees nothing but this database. */
export async function runSql(
  duckDb: DuckDb,
  connection: DuckDBConnection,
  database: Database,
  sql: string,
  parameters: SqlParameters,
): Promise<SqlResult> {
  try {
    const statement = await connection.prepare(await confine(connection, database, sql));
    const { SELECT, EXPLAIN } = duckDb.StatementType;
    if (statement.statementType !== SELECT && statement.statementType !== EXPLAIN) {
      throw new SqlRefusal("Error during planning: only statements that read are supported");
    }
    if (Object.keys(parameters).length > 0) statement.bind({ ...parameters });
    const reader = await statement.runAndReadAll();
    const trueNames = trueNamesOf(database);
    const columns = reader.columnNames().map((name, at): SqlColumn => {
      const typeId = reader.columnTypeId(at);
      return { name: trueNames.get(name) ?? name, type: columnType(duckDb, typeId) };
    });
    return { columns, rows: reader.getRows().map((row) => row.map((value) => plain(duckDb, value))) };
  } catch (error) {
    if (error instanceof SqlRefusal) throw error;
    const reason = error instanceof Unconfined ? error.message : errorText(error).split("\n", 1)[0];
    throw new SqlRefusal(`Error during planning: ${reason ?? ""}`);
  }
}

/** The names that SQL had to change, back to what was written. */
function trueNamesOf(database: Database): Map<string, string> {
  const names = new Map<string, string>();
  for (const table of database.tables.values()) {
    for (const { name, sqlName } of table.columns.values()) if (name !== sqlName) names.set(sqlName, name);
  }
  return names;
}

function columnType(duckDb: DuckDb, typeId: DuckDBTypeId): SqlColumn["type"] {
  const ids = duckDb.DuckDBTypeId;
  if (typeId === ids.DOUBLE || typeId === ids.FLOAT || typeId === ids.DECIMAL) return "float";
  const timestamps = [ids.TIMESTAMP, ids.TIMESTAMP_NS, ids.TIMESTAMP_MS, ids.TIMESTAMP_S, ids.TIMESTAMP_TZ];
  return timestamps.some((each) => each === typeId) ? "timestamp" : "other";
}

function plain(duckDb: DuckDb, value: DuckDBValue): SqlCell {
  if (value === null || typeof value !== "object") return value;
  if (value instanceof duckDb.DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof duckDb.DuckDBTimestampValue) return value.micros * 1000n;
  if (value instanceof duckDb.DuckDBTimestampTZValue) return value.micros * 1000n;
  if (value instanceof duckDb.DuckDBTimestampMillisecondsValue) return value.millis * 1_000_000n;
  if (value instanceof duckDb.DuckDBTimestampSecondsValue) return value.seconds * 1_000_000_000n;
  if (value instanceof duckDb.DuckDBDecimalValue) return value.toDouble();
  return String(value);
}
