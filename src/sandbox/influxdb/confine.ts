/**
 * Keeps a query inside its database. InfluxDB 3 calls a table `uplink`, `iox.uplink` or
 * `public.iox.uplink`, and describes it in `information_schema`; in DuckDB all databases lie side by side,
 * and its own `information_schema` would show every one of them. So the names of tables are looked at in the
 * statement as DuckDB has parsed it: what belongs to the database gets the name that it has in DuckDB, in its
 * place in the text; everything else is "not found".
 *
 * The rest of the text stays as the client wrote it. A column that is qualified with a schema
 * (`iox.uplink.rssi`) is not understood; with a table or an alias it is.
 */
import type { Database } from "./catalog.ts";
import type { DuckDBConnection } from "./duckdb.ts";
import { quoted } from "./duckdb.ts";
import { informationViews } from "./information-schema.ts";

/** The statement names what this database does not have, or does more than read; the message is the server's. */
export class Unconfined extends Error {}

/** The statement to run in place of `sql`. What does not parse comes back as it is: the engine says why. */
export async function confine(
  connection: DuckDBConnection,
  database: Database,
  sql: string,
): Promise<string> {
  const [explain = ""] = /^\s*explain(?:\s+analyze)?\b/i.exec(sql) ?? [];
  const select = showStatement(sql.slice(explain.length));
  const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [select]);
  const tree: unknown = JSON.parse(String(reader.value(0, 0)));
  if (isObject(tree) && tree["error"] === true) {
    if (tree["error_type"] === "parser") return sql;
    throw new Unconfined("only statements that read are supported");
  }
  const found: Found = { tables: [], withNames: new Set() };
  collect(tree, found);
  return explain + replaced(select, found, database);
}

/** SHOW TABLES and SHOW COLUMNS are short for queries of information_schema. */
function showStatement(sql: string): string {
  if (/^\s*show\s+tables\s*;?\s*$/i.test(sql)) return "SELECT * FROM information_schema.tables";
  const table = /^\s*show\s+columns\s+(?:from|in)\s+("(?:[^"]|"")+"|\w+)\s*;?\s*$/i.exec(sql)?.[1];
  if (table === undefined) return sql;
  const name = table.startsWith('"') ? table.slice(1, -1).replaceAll('""', '"') : table;
  return (
    "SELECT table_catalog, table_schema, table_name, column_name, data_type, is_nullable " +
    `FROM information_schema.columns WHERE table_name = '${name.replaceAll("'", "''")}'`
  );
}

interface TableName {
  readonly catalog: string;
  readonly schema: string;
  readonly name: string;
  /** Where it stands in the statement, in bytes of UTF-8. */
  readonly byteOffset: number;
}

interface Found {
  readonly tables: TableName[];
  /** Names that the statement gives to queries of its own (`WITH name AS …`), in lower case. */
  readonly withNames: Set<string>;
}

/** What makes rows out of nothing: any other table function would look outside the database. */
const tableFunctions = new Set(["range", "generate_series", "unnest"]);

function collect(node: unknown, found: Found): void {
  if (Array.isArray(node)) {
    for (const each of node) collect(each, found);
    return;
  }
  if (!isObject(node)) return;
  switch (node["type"]) {
    case "BASE_TABLE":
      found.tables.push({
        catalog: String(node["catalog_name"]),
        schema: String(node["schema_name"]),
        name: String(node["table_name"]),
        byteOffset: Number(node["query_location"]),
      });
      break;
    case "TABLE_FUNCTION": {
      const call = node["function"];
      const name = isObject(call) ? String(call["function_name"]) : "";
      if (!tableFunctions.has(name.toLowerCase())) throw new Unconfined(`table function '${name}' not found`);
      break;
    }
    case "SHOW_REF":
      // DESCRIBE carries the query that it describes, and that is looked at; SHOW names things of DuckDB.
      if (node["query"] === null) throw new Unconfined(`SHOW ${String(node["table_name"])} is not supported`);
      break;
    default:
  }
  const withQueries = isObject(node["cte_map"]) ? node["cte_map"]["map"] : undefined;
  for (const each of Array.isArray(withQueries) ? withQueries : []) {
    if (isObject(each)) found.withNames.add(String(each["key"]).toLowerCase());
  }
  for (const each of Object.values(node)) collect(each, found);
}

/** One part of a name after another: `public.iox."A table"`. */
const qualifiedName = /(?:"(?:[^"]|"")*"|[^\s"'.,;()]+)(?:\s*\.\s*(?:"(?:[^"]|"")*"|[^\s"'.,;()]+))*/y;

function replaced(sql: string, { tables, withNames }: Found, database: Database): string {
  const bytes = Buffer.from(sql);
  let text = "";
  let done = 0;
  for (const table of tables.toSorted((a, b) => a.byteOffset - b.byteOffset)) {
    if (table.schema === "" && withNames.has(table.name.toLowerCase())) continue;
    const name = nameInEngine(table, database);
    if (name === undefined) continue;
    const at = bytes.subarray(0, table.byteOffset).toString().length;
    qualifiedName.lastIndex = at;
    const written = qualifiedName.exec(sql)?.[0] ?? "";
    text += sql.slice(done, at) + name;
    done = at + written.length;
  }
  return text + sql.slice(done);
}

/** Undefined: as it is written. Throws where the database has no such table. */
function nameInEngine({ catalog, schema, name }: TableName, database: Database): string | undefined {
  const isOurs = catalog === "" || catalog.toLowerCase() === "public";
  if (isOurs && schema.toLowerCase() === "information_schema" && informationViews.has(name.toLowerCase())) {
    return `info${database.id}.${quoted(name)}`;
  }
  const sqlName = isOurs && (schema === "" || schema.toLowerCase() === "iox") && sqlNameOf(name, database);
  if (typeof sqlName !== "string") {
    throw new Unconfined(
      `table '${catalog === "" ? "public" : catalog}.${schema || "iox"}.${name}' not found`,
    );
  }
  if (schema !== "") return `db${database.id}.${quoted(sqlName)}`;
  return sqlName.toLowerCase() === name.toLowerCase() ? undefined : quoted(sqlName);
}

/** A name as it was written to InfluxDB comes first; else case does not matter, as in DuckDB. */
function sqlNameOf(name: string, database: Database): string | undefined {
  const exact = database.tables.get(name);
  if (exact !== undefined) return exact.sqlName;
  const wanted = name.toLowerCase();
  return [...database.tables.values()].find((table) => table.sqlName.toLowerCase() === wanted)?.sqlName;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
