/**
 * Answers about catalogs, schemas and tables. InfluxDB 3 has one catalog, `public`, with the tables of the database in
 * `iox`, its own in `system`, and DataFusion's views in `information_schema`.
 *
 * Known differences: the schemas of `system` and of the views that nobody can query here have no columns; a table's
 * schema has no metadata but that of its columns.
 */
import { Binary, Field, Int32, Schema, Uint8, Utf8 } from "apache-arrow";
import type { DataType, RecordBatch } from "apache-arrow";

import type { Database, Table } from "../catalog.ts";
import type { StreamColumn } from "../sql-stream.ts";
import { schemaOf } from "./arrow-types.ts";
import { encapsulatedSchema } from "./encoder.ts";
import { batchOf, column, required, texts } from "./sql-batch.ts";
import type { Column } from "./sql-batch.ts";
import type { MetadataCommand } from "./sql-command.ts";
import { sqlInfo } from "./sql-info.ts";
import { like } from "./sql-like.ts";
import { xdbcTypeInfo } from "./sql-type-info.ts";

/** What a user's table is called: JDBC wants the one, ODBC the other. */
export type BaseTableType = "BASE TABLE" | "TABLE";

const catalog = "public";
const schemas = ["information_schema", "iox", "system"];

export function metadata(
  command: MetadataCommand,
  database: Database,
  baseTableType: BaseTableType,
): RecordBatch {
  switch (command.kind) {
    case "GetCatalogs":
      return batchOf([texts("catalog_name", [catalog])]);
    case "GetDbSchemas":
      return dbSchemas(command.filter);
    case "GetTables":
      return tables(command.filter, database, baseTableType);
    case "GetTableTypes":
      return batchOf([texts("table_type", [baseTableType, "VIEW"])]);
    case "GetSqlInfo":
      return sqlInfo(command.codes);
    case "GetXdbcTypeInfo":
      return xdbcTypeInfo(command.dataType);
    case "GetPrimaryKeys":
      return withoutRows(primaryKeyColumns);
    default:
      return withoutRows(foreignKeyColumns);
  }
}

interface SchemaFilter {
  readonly catalog?: string | undefined;
  readonly dbSchemaFilterPattern?: string | undefined;
}

function schemaTest({
  catalog: only,
  dbSchemaFilterPattern: pattern,
}: SchemaFilter): (name: string) => boolean {
  if (only !== undefined && only !== catalog) return () => false;
  return pattern === undefined ? () => true : like(pattern);
}

function dbSchemas(filter: SchemaFilter): RecordBatch {
  const found = schemas.filter(schemaTest(filter));
  return batchOf([catalogOf(found), texts("db_schema_name", found)]);
}

/** May be null, as the specification has it; in releases before arrow-rs 56 it may not. */
function catalogOf(rows: readonly unknown[]): Column {
  return column(
    new Field("catalog_name", new Utf8(), true),
    rows.map(() => catalog),
  );
}

interface ListedTable {
  readonly dbSchema: string;
  readonly name: string;
  readonly type: string;
  readonly schema: Schema;
}

interface TableFilter extends SchemaFilter {
  readonly tableNameFilterPattern?: string | undefined;
  readonly tableTypes: readonly string[];
  readonly includeSchema: boolean;
}

/** In the order of schema and name, by bytes. */
function tables(filter: TableFilter, database: Database, baseTableType: BaseTableType): RecordBatch {
  const { tableNameFilterPattern: pattern, tableTypes, includeSchema } = filter;
  const isSchema = schemaTest(filter);
  const isName = pattern === undefined ? (): boolean => true : like(pattern);
  const types = new Set(tableTypes);
  const found = everyTable(database, baseTableType).filter(
    ({ dbSchema, name, type }) => isSchema(dbSchema) && isName(name) && (types.size === 0 || types.has(type)),
  );
  const columns = [
    catalogOf(found),
    column(
      new Field("db_schema_name", new Utf8(), true),
      found.map(({ dbSchema }) => dbSchema),
    ),
    texts(
      "table_name",
      found.map(({ name }) => name),
    ),
    texts(
      "table_type",
      found.map(({ type }) => type),
    ),
  ];
  if (!includeSchema) return batchOf(columns);
  const encoded = found.map(({ schema }) => encapsulatedSchema(schema));
  return batchOf([...columns, column(required("table_schema", new Binary()), encoded)]);
}

function everyTable(database: Database, baseTableType: BaseTableType): ListedTable[] {
  const own = [...database.tables.values()].map((table) => ({
    dbSchema: "iox",
    name: table.name,
    type: baseTableType,
    schema: schemaOfTable(table),
  }));
  return [
    ...information.map(([name, columns]) => ({
      dbSchema: "information_schema",
      name,
      type: "VIEW",
      schema: schemaOf(columns.map(computed), { dictionaries: false }),
    })),
    ...own.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name))),
    ...system.map((name) => ({ dbSchema: "system", name, type: baseTableType, schema: new Schema([]) })),
  ];
}

/** As it is stored: its tags are dictionaries, which a query's result no longer has. */
function schemaOfTable({ columns }: Table): Schema {
  const own = [...columns.values()].map(({ name, kind }): StreamColumn =>
    kind === "tag"
      ? { name, type: "utf8", influx: "tag" }
      : { name, type: typeOfField[kind], influx: `field::${kind}` },
  );
  const time: StreamColumn = { name: "time", type: "timestamp", influx: "timestamp" };
  const sorted = [...own, time].sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return schemaOf(sorted, { dictionaries: true });
}

const typeOfField = {
  float: "float64",
  integer: "int64",
  uinteger: "uint64",
  string: "utf8",
  boolean: "boolean",
} as const;

function computed([name, type = "utf8"]: readonly [string, StreamColumn["type"]?]): StreamColumn {
  return { name, type, influx: undefined };
}

const information: readonly (readonly [string, readonly (readonly [string, StreamColumn["type"]?])[]])[] = [
  [
    "columns",
    [
      ["table_catalog"],
      ["table_schema"],
      ["table_name"],
      ["column_name"],
      ["ordinal_position", "uint64"],
      ["column_default"],
      ["is_nullable"],
      ["data_type"],
    ],
  ],
  ["df_settings", []],
  ["parameters", []],
  ["routines", []],
  ["schemata", []],
  ["tables", [["table_catalog"], ["table_schema"], ["table_name"], ["table_type"]]],
  ["views", []],
];

const system = [
  "distinct_caches",
  "influxdb_schema",
  "last_caches",
  "parquet_files",
  "processing_engine_logs",
  "processing_engine_trigger_arguments",
  "processing_engine_triggers",
  "queries",
];

type RequiredColumns = readonly (readonly [name: string, type: DataType])[];

/** InfluxDB has no keys but its tags, and does not call them that. */
function withoutRows(columns: RequiredColumns): RecordBatch {
  return batchOf(columns.map(([name, type]) => column(required(name, type), [])));
}

const primaryKeyColumns: RequiredColumns = [
  ["catalog_name", new Utf8()],
  ["db_schema_name", new Utf8()],
  ["table_name", new Utf8()],
  ["column_name", new Utf8()],
  ["key_name", new Utf8()],
  ["key_sequence", new Int32()],
];

const foreignKeyColumns: RequiredColumns = [
  ...["pk_catalog_name", "pk_db_schema_name", "pk_table_name", "pk_column_name"].map(
    (name) => [name, new Utf8()] as const,
  ),
  ...["fk_catalog_name", "fk_db_schema_name", "fk_table_name", "fk_column_name"].map(
    (name) => [name, new Utf8()] as const,
  ),
  ["key_sequence", new Int32()],
  ["fk_key_name", new Utf8()],
  ["pk_key_name", new Utf8()],
  ["update_rule", new Uint8()],
  ["delete_rule", new Uint8()],
];
