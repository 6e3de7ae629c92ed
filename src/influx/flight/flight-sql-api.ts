/**
 * Flight SQL: statements, prepared statements and what the database says of itself.
 *
 * What is asked here is read like a query (see api.ts), in the same four ways and with the same deadlines, aborts and retries:
 * one attempt asks where the answer is (GetFlightInfo) and fetches it from there (DoGet). The columns of an answer have
 * the names of the Flight SQL specification: `table_name`, `info_name`, `column_name`.
 *
 * Patterns are those of LIKE: `%` is any text, `_` any character.
 */
import type { Value } from "../arrow/rows.ts";
import type { Column, FlightClient, FlightStream, QueryParam, ReadOptions } from "./api.ts";

/** Of calls that change nothing but a statement's state, and answer in one message. */
export type ShortOptions = Pick<
  ReadOptions,
  "database" | "metadata" | "requestId" | "retry" | "signal" | "timeoutMs"
>;

interface SchemaFilter {
  readonly catalog?: string;
  readonly pattern?: string;
}

export interface TableFilter {
  readonly catalog?: string;
  readonly schemaPattern?: string;
  readonly tablePattern?: string;
  /** "BASE TABLE", "VIEW", as `tableTypes()` lists them. Default: all. */
  readonly types?: readonly string[];
  /** Adds the column `table_schema`, which `list()` reads. */
  readonly includeSchema?: boolean;
}

export interface TableName {
  readonly catalog?: string;
  readonly schema?: string;
  readonly table: string;
}

export interface TableInfo {
  readonly catalog: string | undefined;
  readonly schema: string | undefined;
  readonly name: string;
  readonly type: string;
  /** With `includeSchema` only. */
  readonly columns: readonly Column[] | undefined;
}

export interface SqlInfo {
  /** As numbered by Flight SQL: 0 is the server's name, 1 its version, 3 whether it is read-only. */
  readonly id: number;
  readonly value: Value;
}

/** A fifth way to read an answer: all of it, in the client's own words. */
export interface ListStream<T> extends FlightStream {
  list(): Promise<readonly T[]>;
}

export interface PreparedStatement {
  /** Of the answer; undefined: the server did not say. */
  readonly columns: readonly Column[] | undefined;
  /** As the server names them: InfluxDB calls `$limit` "$limit". Undefined: it did not say. */
  readonly parameters: readonly Column[] | undefined;
  /**
   * Values for `$name` and `$1`, named `name` and `1`, each of the type that a query's parameter has. They take the place of
   * all that were bound before; a query that has been made keeps its own on a server that keeps no state, as InfluxDB.
   */
  bind(params: Readonly<Record<string, QueryParam>>, options?: ShortOptions): Promise<void>;
  /** With what is bound now. */
  query(options?: ReadOptions): FlightStream;
  /** After its bindings, lets the server forget the statement, as far as it can be reached; never rejects. Harmless when repeated. */
  close(): Promise<void>;
}

export interface FlightSql {
  statement(text: string, options?: ReadOptions): FlightStream;
  prepare(text: string, options?: ShortOptions): Promise<PreparedStatement>;
  catalogs(options?: ReadOptions): FlightStream;
  schemas(filter?: SchemaFilter, options?: ReadOptions): FlightStream;
  tables(filter?: TableFilter, options?: ReadOptions): ListStream<TableInfo>;
  tableTypes(options?: ReadOptions): FlightStream;
  /** Default: all that the server knows of itself. */
  sqlInfo(ids?: readonly number[], options?: ReadOptions): ListStream<SqlInfo>;
  /** `dataType` is a number of ODBC's. Default: all types. */
  typeInfo(dataType?: number, options?: ReadOptions): FlightStream;
  primaryKeys(table: TableName, options?: ReadOptions): FlightStream;
  /** The foreign keys of other tables that refer to this one. */
  exportedKeys(table: TableName, options?: ReadOptions): FlightStream;
  /** The foreign keys of this table. */
  importedKeys(table: TableName, options?: ReadOptions): FlightStream;
  /** The foreign keys of one table that refer to another. */
  crossReference(primary: TableName, foreign: TableName, options?: ReadOptions): FlightStream;
}

export interface FlightSqlClient extends FlightClient {
  readonly sql: FlightSql;
}
