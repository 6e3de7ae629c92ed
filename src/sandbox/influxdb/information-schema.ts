/**
 * `information_schema` as InfluxDB 3 shows it: schema `info<id>` has the views `tables` and `columns` of one
 * database, with names as they were written, columns in byte order, and types as Arrow prints them. A tag is
 * a dictionary there, and that is all that tells it from a string.
 */
import type { ColumnKind } from "./catalog.ts";
import type { DuckDBConnection } from "./duckdb.ts";

/** What `information_schema.` may be followed by. InfluxDB has more of them, which nobody here reads. */
export const informationViews: ReadonlySet<string> = new Set(["tables", "columns"]);

const arrowTypeOf: Readonly<Record<ColumnKind, string>> = {
  tag: "Dictionary(Int32, Utf8)",
  string: "Utf8",
  float: "Float64",
  integer: "Int64",
  uinteger: "UInt64",
  boolean: "Boolean",
};

const timeType = "Timestamp(Nanosecond, None)";

const dataType = `CASE c.kind ${Object.entries(arrowTypeOf)
  .map(([kind, arrowType]) => `WHEN '${kind}' THEN '${arrowType}'`)
  .join(" ")} END`;

/** Makes the views of a database, also where an older release of the stand-in has left none. */
export async function storeInformationSchema(
  connection: DuckDBConnection,
  databaseId: number,
): Promise<void> {
  await connection.run(`CREATE SCHEMA IF NOT EXISTS info${databaseId}`);
  await connection.run(tablesView(databaseId));
  await connection.run(columnsView(databaseId));
}

export async function eraseInformationSchema(
  connection: DuckDBConnection,
  databaseId: number,
): Promise<void> {
  await connection.run(`DROP SCHEMA IF EXISTS info${databaseId} CASCADE`);
}

function tablesView(databaseId: number): string {
  const own = [...informationViews].map((name) => `('information_schema', '${name}', 'VIEW')`).join(", ");
  return (
    `CREATE OR REPLACE VIEW info${databaseId}.tables AS SELECT 'public' AS table_catalog, * FROM (` +
    "SELECT 'iox' AS table_schema, name AS table_name, 'BASE TABLE' AS table_type FROM catalog.tables " +
    `WHERE database_id = ${databaseId} UNION ALL VALUES ${own})`
  );
}

function columnsView(databaseId: number): string {
  return (
    `CREATE OR REPLACE VIEW info${databaseId}.columns AS ` +
    "SELECT 'public' AS table_catalog, 'iox' AS table_schema, table_name, column_name, CAST(row_number() OVER " +
    "(PARTITION BY table_name ORDER BY column_name) - 1 AS UBIGINT) AS ordinal_position, " +
    "CAST(NULL AS VARCHAR) AS column_default, is_nullable, data_type FROM (" +
    `SELECT t.name AS table_name, c.name AS column_name, 'YES' AS is_nullable, ${dataType} AS data_type ` +
    `FROM catalog.tables t JOIN catalog.columns c ON c.table_id = t.id WHERE t.database_id = ${databaseId} ` +
    `UNION ALL SELECT name, 'time', 'NO', '${timeType}' FROM catalog.tables WHERE database_id = ${databaseId})`
  );
}
