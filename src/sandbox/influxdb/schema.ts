/**
 * How the catalog lies in DuckDB. Schema `catalog` lists databases, tables and columns; schema `data` holds
 * the rows, one table `t<id>` per InfluxDB table with the columns `time`, `series` and `c<position>`; schema
 * `db<id>` has what queries see: a view per table, its columns under their names and in byte order, as
 * InfluxDB shows them, without what has outlived the database's retention; schema `info<id>` describes them
 * (information-schema.ts).
 */
import type { Catalog, Column, ColumnKind, Database, Table } from "./catalog.ts";
import type { DuckDBConnection } from "./duckdb.ts";
import { quoted } from "./duckdb.ts";
import { functionStatements } from "./functions.ts";
import { eraseInformationSchema, storeInformationSchema } from "./information-schema.ts";
import { TableState } from "./table-state.ts";

const engineTypeOf: Readonly<Record<ColumnKind, string>> = {
  tag: "VARCHAR",
  string: "VARCHAR",
  float: "DOUBLE",
  integer: "BIGINT",
  uinteger: "UBIGINT",
  boolean: "BOOLEAN",
};

const kinds = new Set<string>(Object.keys(engineTypeOf));

const setUp = [
  "SET GLOBAL TimeZone = 'UTC'",
  "CREATE SCHEMA IF NOT EXISTS catalog",
  "CREATE SCHEMA IF NOT EXISTS data",
  "CREATE TABLE IF NOT EXISTS catalog.node (cluster_id UUID)",
  "INSERT INTO catalog.node SELECT uuid() WHERE NOT EXISTS (FROM catalog.node)",
  "CREATE TABLE IF NOT EXISTS catalog.databases (id INTEGER, name VARCHAR, retention_ns BIGINT)",
  "CREATE TABLE IF NOT EXISTS catalog.tables (id INTEGER, database_id INTEGER, name VARCHAR)",
  "CREATE TABLE IF NOT EXISTS catalog.columns (table_id INTEGER, position INTEGER, name VARCHAR, kind VARCHAR)",
  ...functionStatements,
];

/** Makes what is missing and gives the id of this store. */
export async function prepareSchema(connection: DuckDBConnection): Promise<string> {
  await connection.run(setUp.join("; "));
  await connection.run("CREATE TEMP TABLE lookup (number INTEGER, time TIMESTAMP_NS, series INTEGER)");
  const node = await connection.runAndReadAll("SELECT CAST(cluster_id AS VARCHAR) FROM catalog.node");
  return String(node.value(0, 0));
}

/** Fills the catalog with what is stored. */
export async function restoreCatalog(
  connection: DuckDBConnection,
  catalog: Catalog,
): Promise<Map<Table, TableState>> {
  const states = new Map<Table, TableState>();
  const databases = await connection.runAndReadAll(
    "SELECT id, name, retention_ns FROM catalog.databases ORDER BY id",
  );
  const databaseById = new Map<number, Database>();
  for (const [id, name, retentionNs] of databases.getRows()) {
    const retention = typeof retentionNs === "bigint" ? retentionNs : undefined;
    databaseById.set(Number(id), catalog.restoreDatabase(Number(id), String(name), retention));
    await storeInformationSchema(connection, Number(id));
  }
  const tables = await connection.runAndReadAll(
    "SELECT id, database_id, name FROM catalog.tables ORDER BY id",
  );
  for (const [id, databaseId, name] of tables.getRows()) {
    const database = databaseById.get(Number(databaseId));
    if (database === undefined) continue;
    const table = catalog.restoreTable(database, Number(id), String(name));
    const state = new TableState(table);
    await restoreColumns(connection, catalog, table);
    await restoreSeries(connection, state);
    table.established = true;
    state.storedColumns = table.columns.size;
    states.set(table, state);
  }
  catalog.keep();
  return states;
}

async function restoreColumns(connection: DuckDBConnection, catalog: Catalog, table: Table): Promise<void> {
  const columns = await connection.runAndReadAll(
    `SELECT name, kind FROM catalog.columns WHERE table_id = ${table.id} ORDER BY position`,
  );
  for (const [name, kind] of columns.getRows()) {
    if (isKind(kind)) catalog.restoreColumn(table, String(name), kind);
  }
}

function isKind(kind: unknown): kind is ColumnKind {
  return typeof kind === "string" && kinds.has(kind);
}

async function restoreSeries(connection: DuckDBConnection, state: TableState): Promise<void> {
  const tags = [...state.table.columns.values()].filter((column) => column.kind === "tag");
  const columns = tags.map((tag) => `, any_value(c${tag.position})`).join("");
  const reader = await connection.runAndReadAll(
    `SELECT series, epoch_ns(max(time))${columns} FROM data.t${state.table.id} GROUP BY series`,
  );
  for (const [series, maxTimeNs, ...values] of reader.getRows()) {
    const present = tags.flatMap((tag, at) => {
      const value = values[at];
      return typeof value === "string" ? [{ name: tag.name, value }] : [];
    });
    state.restoreSeries(Number(series), present, typeof maxTimeNs === "bigint" ? maxTimeNs : 0n);
  }
}

export async function storeDatabase(connection: DuckDBConnection, database: Database): Promise<void> {
  await connection.run(
    `INSERT INTO catalog.databases VALUES (${database.id}, $1, ${database.retentionNs ?? "NULL"})`,
    [database.name],
  );
  await connection.run(`CREATE SCHEMA db${database.id}`);
  await storeInformationSchema(connection, database.id);
}

/** Makes the stored table wide enough for the catalog's; gives the number of columns that it has then. */
export async function widenTable(connection: DuckDBConnection, state: TableState): Promise<number> {
  const { table } = state;
  const columns = [...table.columns.values()];
  if (state.storedColumns === columns.length) return columns.length;
  if (state.storedColumns === 0) {
    await connection.run(`CREATE TABLE data.t${table.id} (time TIMESTAMP_NS, series INTEGER)`);
    await connection.run(`INSERT INTO catalog.tables VALUES (${table.id}, ${table.database.id}, $1)`, [
      table.name,
    ]);
  }
  for (const column of columns.slice(state.storedColumns)) {
    const engineType = engineTypeOf[column.kind];
    await connection.run(`ALTER TABLE data.t${table.id} ADD COLUMN c${column.position} ${engineType}`);
    await connection.run(
      `INSERT INTO catalog.columns VALUES (${table.id}, ${column.position}, $1, '${column.kind}')`,
      [column.name],
    );
  }
  await connection.run(viewOf(table, columns));
  return columns.length;
}

function viewOf(table: Table, columns: readonly Column[]): string {
  const shown = [
    { name: "time", item: "time" },
    ...columns.map(({ name, sqlName, position }) => ({
      name,
      item: `c${position} AS ${quoted(sqlName)}`,
    })),
  ].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  const { retentionNs, id } = table.database;
  const since = `make_timestamp_ns(epoch_ns(transaction_timestamp()) - ${retentionNs})`;
  return (
    `CREATE OR REPLACE VIEW db${id}.${quoted(table.sqlName)} AS SELECT ${shown.map((each) => each.item).join(", ")} ` +
    `FROM data.t${table.id}${retentionNs === undefined ? "" : ` WHERE time > ${since}`}`
  );
}

export async function eraseDatabase(connection: DuckDBConnection, database: Database): Promise<void> {
  await connection.run(`DROP SCHEMA IF EXISTS db${database.id} CASCADE`);
  await eraseInformationSchema(connection, database.id);
  await connection.run(`DELETE FROM catalog.databases WHERE id = ${database.id}`);
  await connection.run(`DELETE FROM catalog.tables WHERE database_id = ${database.id}`);
  for (const table of database.tables.values()) {
    await connection.run(`DROP TABLE IF EXISTS data.t${table.id}`);
    await connection.run(`DELETE FROM catalog.columns WHERE table_id = ${table.id}`);
  }
}
