import { Fault } from "../lib/fault.ts";
import type { ColumnType, TableColumn } from "../telemetry/column-types.ts";
import type { ReceivedAnswer } from "./exchange.ts";
import { unknownToken } from "./outcome.ts";
import { serverWords } from "./server-words.ts";

/**
 * The question after InfluxDB's schema, and what its answer means. Pure.
 *
 * `POST /api/v3/query_sql` is there on Core and Enterprise; Clustered and Cloud have no such path, and are asked
 * over Flight. Both a missing path and a missing database are 404; what is no question at all (`notAQuestion`)
 * tells them apart: where the path is, it is refused for its shape before any database is looked for.
 */

export const queryPath = "/api/v3/query_sql";

/** Lacks every required member: 400 where the path is, 404 or 405 where it is not. */
export const notAQuestion = "{}";

export type SchemaAnswer =
  /** Every column of the tables that were asked for; none of them is there: empty. */
  | { readonly kind: "read"; readonly columns: readonly TableColumn[] }
  /** Nothing is known; ask again later. It came over HTTP, as writes go: they may fare alike. */
  | { readonly kind: "retry"; readonly fault: Fault }
  /** The same of what came over Flight, which says nothing of writes: they need not wait. */
  | { readonly kind: "later"; readonly fault: Fault }
  /** Asking again is pointless until a person has acted; types are what InfluxDB has taken before. */
  | { readonly kind: "unavailable"; readonly fault: Fault };

/** The database or the path is not there. */
export interface NotFound {
  readonly kind: "not_found";
}

/** There is no SQL over HTTP. */
export interface NoPath {
  readonly kind: "no_path";
}

export interface SchemaQuestion {
  readonly database: string;
  /** By name. */
  readonly tables: readonly string[];
  /** And every table whose name begins so; "" is none. */
  readonly prefix: string;
}

/** The body of a request to `queryPath`. */
export function schemaQuestion(question: SchemaQuestion): string {
  return JSON.stringify({ db: question.database, q: schemaSql(question), format: "json" });
}

export function schemaSql({ tables, prefix }: Omit<SchemaQuestion, "database">): string {
  const conditions: string[] = [];
  // Not LIKE: `_` is a wildcard there.
  if (prefix !== "") conditions.push(`starts_with(table_name, ${literal(prefix)})`);
  if (tables.length > 0) conditions.push(`table_name IN (${tables.map(literal).join(", ")})`);
  return (
    "SELECT table_name, column_name, data_type FROM information_schema.columns " +
    `WHERE table_schema = 'iox' AND (${conditions.length === 0 ? "false" : conditions.join(" OR ")})`
  );
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function classifySchema(answer: ReceivedAnswer): SchemaAnswer | NotFound | NoPath {
  const { status } = answer;
  if (status === 200) return fromBody(answer);
  // Nothing else will get through with it either, and one complaint is enough.
  if (status === 401) return { kind: "retry", fault: unknownToken(answer) };
  if (status === 403) return { kind: "unavailable", fault: unreadable(answer) };
  if (status === 404) return { kind: "not_found" };
  if (status === 405) return { kind: "no_path" };
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return { kind: "retry", fault: serverError(answer) };
  }
  // Neither a schema nor a refusal of ours: a login page or a proxy, which may be gone in a minute.
  if (status < 400) return { kind: "retry", fault: notUnderstood(answer) };
  return { kind: "unavailable", fault: unavailable(answer) };
}

/** After "not_found", with what `notAQuestion` was answered. */
export function classifyNotFound(answer: ReceivedAnswer): SchemaAnswer | NoPath {
  const { status } = answer;
  if (status === 404 || status === 405) return { kind: "no_path" };
  if (status >= 500) return { kind: "retry", fault: serverError(answer) };
  return { kind: "read", columns: [] };
}

function fromBody(answer: ReceivedAnswer): SchemaAnswer {
  if (!answer.isWhole) return { kind: "unavailable", fault: tooLarge() };
  const columns = columnsIn(answer.body);
  if (columns === undefined) return { kind: "retry", fault: notUnderstood(answer) };
  return { kind: "read", columns };
}

function columnsIn(body: string): TableColumn[] | undefined {
  let rows: unknown;
  try {
    rows = JSON.parse(body);
  } catch {
    return undefined;
  }
  return Array.isArray(rows) ? columnsOfRows(rows) : undefined;
}

/** Something answers there that does not speak Flight, and will not in a minute: a proxy for HTTP/1.1, say. */
const notFlight: ReadonlySet<string> = new Set([
  "server_not_http2",
  "http1_only",
  "tls_no_alpn_h2",
  "flight_not_grpc",
  "flight_unsupported",
]);

/** What `schemaSql` was answered over Flight: the rows, or why there are none. */
export function classifyFlightSchema(answer: readonly unknown[] | Fault): SchemaAnswer {
  if (answer instanceof Fault) {
    if (answer.code === "flight_database_missing") return { kind: "read", columns: [] };
    const isPassing = answer.disposition === "retry" && !notFlight.has(answer.code);
    return { kind: isPassing ? "later" : "unavailable", fault: answer };
  }
  const columns = columnsOfRows(answer);
  return columns === undefined ? { kind: "later", fault: strangeRows() } : { kind: "read", columns };
}

/** Undefined when a part of it is not what was asked for: then none of it is believed. */
function columnsOfRows(rows: readonly unknown[]): TableColumn[] | undefined {
  const columns: TableColumn[] = [];
  for (const row of rows) {
    const column = columnOf(row);
    if (column === undefined) return undefined;
    columns.push(column);
  }
  return columns;
}

function columnOf(row: unknown): TableColumn | undefined {
  if (typeof row !== "object" || row === null) return undefined;
  const { table_name: table, column_name: column, data_type: dataType } = row as Record<string, unknown>;
  if (typeof table !== "string" || typeof column !== "string" || typeof dataType !== "string")
    return undefined;
  return { table, column, type: columnType(dataType) };
}

const plainTypes: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ["Utf8", "string"],
  ["LargeUtf8", "string"],
  ["Utf8View", "string"],
  ["Float64", "float"],
  ["Int64", "integer"],
  ["UInt64", "unsigned"],
  ["Boolean", "boolean"],
]);

/**
 * A type as DataFusion prints it. A tag is a dictionary of texts; a time is `Timestamp(Nanosecond, None)` by
 * older releases and `Timestamp(ns)` by newer ones, perhaps with a zone.
 */
export function columnType(dataType: string): ColumnType {
  const text = dataType.trim();
  const plain = plainTypes.get(text);
  if (plain !== undefined) return plain;
  if (/^Dictionary\(\s*U?Int\d+\s*,\s*(?:Utf8|LargeUtf8|Utf8View)\s*\)$/.test(text)) return "tag";
  return /^Timestamp\s*\(.*\)$/.test(text) ? "time" : "other";
}

const untilThen = "until then a column's type is known only once InfluxDB has taken a value for it from here";

function unreadable(answer: ReceivedAnswer): Fault {
  return new Fault({
    code: "schema_unreadable",
    layer: "write",
    disposition: "drop",
    message: `the token may not read InfluxDB's schema (${said(answer)})`,
    hint: `give the token read permission on the database; ${untilThen}`,
  });
}

function unavailable(answer: ReceivedAnswer): Fault {
  return new Fault({
    code: "schema_unavailable",
    layer: "write",
    disposition: "drop",
    message: `InfluxDB cannot be asked for its schema here (${said(answer)})`,
    hint: `see what answers at influxdb.url, and the path in it; ${untilThen}`,
  });
}

function tooLarge(): Fault {
  return new Fault({
    code: "schema_too_large",
    layer: "write",
    disposition: "drop",
    message: "InfluxDB's schema is larger than what is read of it",
    hint: `see which tables have columns without end (SELECT table_name, count(*) FROM information_schema.columns GROUP BY table_name) and give their payloads a [[profile]]; ${untilThen}`,
  });
}

function serverError(answer: ReceivedAnswer): Fault {
  return new Fault({
    code: "schema_server_error",
    layer: "write",
    disposition: "retry",
    message: `InfluxDB failed to answer a query of its schema (${said(answer)})`,
    hint: "it is asked again; when this lasts, see InfluxDB's own log",
  });
}

function notUnderstood(answer: ReceivedAnswer): Fault {
  return new Fault({
    code: "schema_not_understood",
    layer: "write",
    disposition: "retry",
    message: `something that is no schema came in answer to a query of InfluxDB's schema (${said(answer)})`,
    hint: "see that influxdb.url points at InfluxDB itself: a login page or a proxy answers like this",
  });
}

function strangeRows(): Fault {
  return new Fault({
    code: "schema_not_understood",
    layer: "flight",
    disposition: "retry",
    message: "rows that are no schema came in answer to a query of InfluxDB's schema over Flight",
    hint: "see what answers at influxdb.flight_url: InfluxDB's information_schema has table_name, column_name and data_type",
  });
}

function said(answer: ReceivedAnswer): string {
  const words = serverWords(answer.body);
  return words === "" ? `HTTP ${answer.status}` : `HTTP ${answer.status}: ${words}`;
}
