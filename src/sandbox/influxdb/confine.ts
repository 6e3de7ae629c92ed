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
import { tableNamed } from "./lineage.ts";
import type { DuckDBConnection } from "./duckdb.ts";
import { quoted } from "./duckdb.ts";
import { aggregatesInDuckDb, missingFunctions } from "./functions.ts";
import { informationViews } from "./information-schema.ts";
import type { OutputColumn } from "./lineage.ts";
import { outputColumns } from "./lineage.ts";
import { SqlRefusal, planningError } from "./sql.ts";
import type { TypePlace } from "./timestamp-type.ts";
import { timestampCast, typeSpan } from "./timestamp-type.ts";
import type { Tree } from "./tree.ts";
import { isTree, queryIn, textOf, treesIn, withQueriesOf } from "./tree.ts";

interface Confined {
  /** The statement to run in place of the client's. */
  readonly text: string;
  /** What is known of the columns of its result, in their order; undefined: nothing. */
  readonly columns: readonly OutputColumn[] | undefined;
}

/**
 * Throws `SqlRefusal` where the statement names what this database does not have, or does more than read.
 * What does not parse comes back as it is: the engine says why.
 */
export async function confine(
  connection: DuckDBConnection,
  database: Database,
  sql: string,
): Promise<Confined> {
  const [explain = ""] = /^\s*explain(?:\s+analyze)?\b/i.exec(sql) ?? [];
  const select = showStatement(sql.slice(explain.length));
  const reader = await connection.runAndReadAll("SELECT json_serialize_sql($1::VARCHAR)", [select]);
  const tree: unknown = JSON.parse(String(reader.value(0, 0)));
  if (!isTree(tree) || tree["error"] === true) {
    if (isTree(tree) && tree["error_type"] === "parser") return { text: sql, columns: undefined };
    throw planningError("only statements that read are supported");
  }
  const found: Found = { tables: [], aggregates: [], aliases: [], timestamps: [], withNames: new Set() };
  collect(tree, found);
  const text = explain + edited(select, editsOf(select, found, database));
  const query = queryIn(treesIn(tree["statements"])[0]);
  return {
    text,
    columns: explain !== "" || query === undefined ? undefined : outputColumns(query, database),
  };
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

/** A name or a text of the statement, and where it stands there, in bytes of UTF-8. */
interface Place {
  readonly name: string;
  readonly byteOffset: number;
}

interface Found {
  readonly tables: TableName[];
  /** Calls of aggregates that have another name in DuckDB. */
  readonly aggregates: Place[];
  /** `temp 'temperature'`: DuckDB takes that for a text of the type `temp`, at the place of the text. */
  readonly aliases: Place[];
  /** Types that have more digits in InfluxDB. */
  readonly timestamps: TypePlace[];
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
  if (!isTree(node)) return;
  const byteOffset = Number(node["query_location"]);
  switch (node["type"]) {
    case "BASE_TABLE":
      found.tables.push({
        catalog: textOf(node["catalog_name"]),
        schema: textOf(node["schema_name"]),
        name: textOf(node["table_name"]),
        byteOffset,
      });
      break;
    case "TABLE_FUNCTION": {
      const name = isTree(node["function"]) ? textOf(node["function"]["function_name"]) : "";
      if (!tableFunctions.has(name.toLowerCase())) throw planningError(`table function '${name}' not found`);
      break;
    }
    case "SHOW_REF":
      // DESCRIBE carries the query that it describes, and that is looked at; SHOW names things of DuckDB.
      if (node["query"] === null) throw planningError(`SHOW ${textOf(node["table_name"])} is not supported`);
      break;
    case "FUNCTION": {
      const name = textOf(node["function_name"]);
      if (missingFunctions.has(name)) throw new SqlRefusal(`This feature is not implemented: ${name}`);
      if (aggregatesInDuckDb.has(name)) found.aggregates.push({ name, byteOffset });
      break;
    }
    case "OPERATOR_CAST": {
      const timestamp = timestampCast(node);
      if (timestamp === undefined) collectAlias(node, found);
      else found.timestamps.push(timestamp);
      break;
    }
    default:
  }
  for (const { name } of withQueriesOf(node)) found.withNames.add(name.toLowerCase());
  for (const each of Object.values(node)) collect(each, found);
}

function collectAlias({ child, cast_type: type }: Tree, found: Found): void {
  if (!isTree(child) || child["type"] !== "VALUE_CONSTANT" || !isTree(type) || type["id"] !== "UNBOUND")
    return;
  const name = isTree(type["type_info"]) ? textOf(type["type_info"]["name"]) : "";
  found.aliases.push({ name, byteOffset: Number(child["query_location"]) });
}

/** One part of a name after another: `public.iox."A table"`. */
const qualifiedName = /(?:"(?:[^"]|"")*"|[^\s"'.,;()]+)(?:\s*\.\s*(?:"(?:[^"]|"")*"|[^\s"'.,;()]+))*/y;

interface Edit {
  readonly at: number;
  /** How many characters give way. */
  readonly length: number;
  readonly text: string;
}

function editsOf(sql: string, found: Found, database: Database): Edit[] {
  const bytes = Buffer.from(sql);
  const at = ({ byteOffset }: { readonly byteOffset: number }): number =>
    bytes.subarray(0, byteOffset).toString().length;
  const edits: Edit[] = [];
  const replace = (place: { readonly byteOffset: number }, text: string): void => {
    qualifiedName.lastIndex = at(place);
    edits.push({ at: at(place), length: qualifiedName.exec(sql)?.[0].length ?? 0, text });
  };
  for (const table of found.tables) {
    if (table.schema === "" && found.withNames.has(table.name.toLowerCase())) continue;
    const name = nameInEngine(table, database);
    if (name !== undefined) replace(table, name);
  }
  for (const call of found.aggregates) replace(call, aggregatesInDuckDb.get(call.name) ?? call.name);
  for (const alias of found.aliases) {
    if (isColumnBefore(sql.slice(0, at(alias)), alias.name, database)) {
      edits.push({ at: at(alias), length: 0, text: "AS " });
    }
  }
  for (const timestamp of found.timestamps) {
    const span = typeSpan(sql, timestamp.kind, at(timestamp));
    if (span !== undefined) edits.push({ ...span, text: " TIMESTAMP_NS " });
  }
  return edits.sort((a, b) => a.at - b.at);
}

function edited(sql: string, edits: readonly Edit[]): string {
  let text = "";
  let done = 0;
  let last: number | undefined;
  for (const edit of edits) {
    // DuckDB writes the operand of CASE into each of its comparisons: one place, found several times.
    if (edit.at === last) continue;
    last = edit.at;
    text += sql.slice(done, edit.at) + edit.text;
    done = edit.at + edit.length;
  }
  return text + sql.slice(done);
}

/** A column of the database, and not the type in `CAST('1' AS name)`. */
function isColumnBefore(before: string, name: string, database: Database): boolean {
  if (!before.trimEnd().replace(/"$/, "").toLowerCase().endsWith(name.toLowerCase())) return false;
  const tables = [...database.tables.values()];
  return tables.some((table) =>
    [...table.columns.values()].some((column) => column.sqlName.toLowerCase() === name.toLowerCase()),
  );
}

/** Undefined: as it is written. Throws where the database has no such table. */
function nameInEngine({ catalog, schema, name }: TableName, database: Database): string | undefined {
  const isOurs = catalog === "" || catalog.toLowerCase() === "public";
  if (isOurs && schema.toLowerCase() === "information_schema" && informationViews.has(name.toLowerCase())) {
    return `info${database.id}.${quoted(name)}`;
  }
  const sqlName =
    isOurs && (schema === "" || schema.toLowerCase() === "iox") && tableNamed(name, database)?.sqlName;
  if (typeof sqlName !== "string") {
    throw planningError(
      `table '${catalog === "" ? "public" : catalog}.${schema || "iox"}.${name}' not found`,
    );
  }
  if (schema !== "") return `db${database.id}.${quoted(sqlName)}`;
  return sqlName.toLowerCase() === name.toLowerCase() ? undefined : quoted(sqlName);
}
