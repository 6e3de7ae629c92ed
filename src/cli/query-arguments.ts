/** The command line of `flightline query`: what is asked, or the first thing that is wrong with it. Pure. */
import { extname } from "node:path";
import type { QueryParam } from "../influx/flight/api.ts";
import { parseDurationMs } from "../lib/units.ts";
import { parseParams } from "./query-param.ts";

export interface QueryOptions {
  readonly config: string;
  /** The query, or "-": standard input. One of this, `tables` and `schema`. */
  readonly query: string | undefined;
  readonly tables: boolean;
  /** A table's name. */
  readonly schema?: string;
  readonly language?: string;
  readonly param: readonly string[];
  readonly format?: string;
  /** A file's path, or "-": standard output. */
  readonly output?: string;
  /** A duration. */
  readonly timeout?: string;
  readonly database?: string;
}

export type Format = "table" | "csv" | "json" | "ndjson" | "arrow";

export interface Asked {
  readonly what: "query" | "tables" | "schema";
  /** Of "schema": the name of the table. */
  readonly schema: string | undefined;
  /** Of the query that answers; undefined: it comes from standard input. */
  readonly text: string | undefined;
  readonly language: "sql" | "influxql";
  readonly params: Readonly<Record<string, QueryParam>>;
  readonly format: Format;
  readonly output: string | undefined;
  readonly timeoutMs: number | undefined;
  readonly database: string | undefined;
}

export type ArgumentsResult =
  | { readonly ok: true; readonly asked: Asked }
  /** One sentence. */
  | { readonly ok: false; readonly mistake: string };

const formats: ReadonlySet<string> = new Set<Format>(["table", "csv", "json", "ndjson", "arrow"]);
/** Of `--output`, where no format is named. */
const formatOfEnding: Readonly<Record<string, Format>> = {
  ".json": "json",
  ".ndjson": "ndjson",
  ".jsonl": "ndjson",
  ".arrow": "arrow",
  ".arrows": "arrow",
};

/** A timer holds no more. */
const longestDays = 24;

const tablesQuery =
  'SELECT table_name AS "table", count(*) AS "columns" FROM information_schema.columns ' +
  "WHERE table_schema = 'iox' GROUP BY table_name ORDER BY table_name";

/** `isTerminal`: standard output is one. */
export function readArguments(given: QueryOptions, isTerminal: boolean): ArgumentsResult {
  const { output: path, ...others } = given;
  const options: QueryOptions = path === undefined || path === "-" ? others : given;
  const params = parseParams(options.param);
  const mistake = mistakeInWhat(options) ?? mistakeInHow(options, isTerminal);
  if (mistake !== undefined) return { ok: false, mistake };
  if (!params.ok) return params;
  const { query, schema, output, timeout, database } = options;
  const rest = {
    schema,
    language: options.language === "influxql" ? ("influxql" as const) : ("sql" as const),
    params: params.params,
    format: formatOf(options, isTerminal),
    output,
    timeoutMs: timeout === undefined ? undefined : parseDurationMs(timeout),
    database,
  };
  if (schema !== undefined)
    return { ok: true, asked: { what: "schema", text: schemaQuery(schema), ...rest } };
  if (options.tables) return { ok: true, asked: { what: "tables", text: tablesQuery, ...rest } };
  return { ok: true, asked: { what: "query", text: query === "-" ? undefined : query, ...rest } };
}

/** The columns stand in the schema of the answer, with what InfluxDB calls them. */
function schemaQuery(table: string): string {
  return `SELECT * FROM "${table.replaceAll('"', '""')}" LIMIT 0`;
}

function mistakeInWhat({ query, tables, schema, language, param }: QueryOptions): string | undefined {
  const count = [query !== undefined, tables, schema !== undefined].filter(Boolean).length;
  if (count === 0) return 'expected a query, such as "SELECT * FROM uplink LIMIT 10", --tables or --schema.';
  if (count > 1) return "expected one of a query, --tables and --schema, not several.";
  if (query !== undefined && query.trim() === "") return "the query is empty.";
  if (schema === "") return "--schema: expected the name of a table.";
  if (query !== undefined) return undefined;
  if (language !== undefined) return "--language: only a query has a language.";
  if (param.length > 0) return "--param: only a query has parameters.";
  return undefined;
}

function mistakeInHow(options: QueryOptions, isTerminal: boolean): string | undefined {
  const { language, format, output, timeout, database } = options;
  if (language !== undefined && language !== "sql" && language !== "influxql") {
    return "--language: expected sql or influxql.";
  }
  if (format !== undefined && !formats.has(format)) {
    return `--format: expected one of ${[...formats].join(", ")}.`;
  }
  if (output === "") return "--output: expected the path of a file.";
  if (database === "") return "--database: expected the name of a database.";
  if (format === "arrow" && output === undefined && isTerminal) {
    return "--format arrow is not for a terminal: add --output FILE, or a pipe.";
  }
  const timeoutMs = parseDurationMs(timeout ?? "1s") ?? 0;
  if (timeoutMs < 1 || timeoutMs > longestDays * 86_400_000) {
    return `--timeout: expected a duration such as "30s" or "10m", at most ${longestDays}d.`;
  }
  return undefined;
}

function formatOf({ format, output }: QueryOptions, isTerminal: boolean): Format {
  if (format !== undefined && formats.has(format)) return format as Format;
  if (output === undefined) return isTerminal ? "table" : "csv";
  return formatOfEnding[extname(output).toLowerCase()] ?? "csv";
}
