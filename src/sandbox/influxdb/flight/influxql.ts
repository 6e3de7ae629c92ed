/**
 * A subset of InfluxQL as SQL: SELECT of columns, or of aggregates and selectors of fields, from one
 * measurement, and three SHOW statements. What is left out is refused, never guessed.
 *
 * As in InfluxDB 3, the first column is `iox::measurement`, and the metadata of the schema says which columns
 * group the rows. Known differences: GROUP BY time gives no row for a window without data, as with
 * fill(none); LIMIT is refused beside tags in GROUP BY, where it would hold for each series.
 */
import type { Database, Table } from "../catalog.ts";
import { quoted } from "../duckdb.ts";
import { conditionOf } from "./influxql-condition.ts";
import { InfluxQlRefusal, TokenReader, durationNs, notImplemented } from "./influxql-tokens.ts";

export interface Translated {
  readonly sql: string;
  /** Of the schema. */
  readonly metadata: ReadonlyMap<string, string>;
}

const measurementColumn = quoted("iox::measurement");

/** Throws `InfluxQlRefusal`. */
export function translate(query: string, database: Database): Translated {
  const reader = new TokenReader(query);
  const sql = reader.take("SELECT") ? undefined : showSql(reader, database);
  const translated = sql === undefined ? select(reader, database) : { sql, metadata: metadataOf([]) };
  reader.take(";");
  if (reader.peek().kind !== "end") throw reader.unexpected();
  return translated;
}

interface GroupTag {
  readonly tagKey: string;
  readonly columnIndex: number;
  readonly isProjected?: true;
}

/** In protobuf's JSON, which leaves out what is zero or false. */
function metadataOf(tagKeyColumns: readonly GroupTag[]): ReadonlyMap<string, string> {
  return new Map([["iox::influxql::group_key::metadata", JSON.stringify({ tagKeyColumns })]]);
}

interface Item {
  /** Absent: the column itself. */
  readonly call?: string;
  readonly column: string;
  readonly alias: string;
}

interface Dimensions {
  readonly tags: readonly string[];
  readonly windowNs: bigint | undefined;
}

function select(reader: TokenReader, database: Database): Translated {
  const given = itemsOf(reader);
  reader.expect("FROM");
  const name = reader.identifier();
  if (reader.take(".")) throw new InfluxQlRefusal("database prefix in qualified measurement syntax");
  const table = database.tables.get(name);
  if (table === undefined) return { sql: emptySql, metadata: metadataOf([]) };
  const where = reader.take("WHERE") ? conditionOf(reader, table) : "true";
  const dimensions = dimensionsOf(reader, table);
  const items = given ?? starItems(table, dimensions);
  for (const { column } of items) kindOf(table, column);
  const isGrouped = items.some((item) => item.call !== undefined);
  if (isGrouped !== items.every((item) => item.call !== undefined)) {
    throw notImplemented("mixing aggregate and non-aggregate columns");
  }
  if (dimensions.windowNs !== undefined && !isGrouped) {
    throw new InfluxQlRefusal("Error during planning: GROUP BY requires at least one aggregate function");
  }
  const tail = tailOf(reader, dimensions);
  return isGrouped
    ? aggregateSql(table, items, where, dimensions, tail)
    : rowsSql(table, items, where, dimensions, tail);
}

/** InfluxQL has no error for a measurement that is not there. */
const emptySql = `SELECT '' AS ${measurementColumn}, CAST(NULL AS TIMESTAMP_NS) AS time WHERE false`;

/** Undefined: all of them. */
function itemsOf(reader: TokenReader): Item[] | undefined {
  if (reader.take("*")) return undefined;
  const items: Item[] = [];
  do {
    const name = reader.identifier();
    let item: Item = { column: name, alias: name };
    if (reader.take("(")) {
      const call = name.toLowerCase();
      if (!calls.has(call)) throw notImplemented(`the function ${name}`);
      item = { call, column: reader.identifier(), alias: call };
      reader.expect(")");
    }
    if (reader.take("AS")) item = { ...item, alias: reader.identifier() };
    // The time comes in any case.
    if (item.column !== "time") items.push(item);
  } while (reader.take(","));
  return items;
}

function starItems(table: Table, { tags }: Dimensions): Item[] {
  const names = [...table.columns.keys()].filter((name) => !tags.includes(name));
  return names
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map((name) => ({ column: name, alias: name }));
}

function kindOf(table: Table, name: string): string {
  const column = table.columns.get(name);
  if (column === undefined) throw notImplemented(`the column ${name}, which ${table.name} does not have`);
  return column.kind;
}

function columnSql(table: Table, name: string): string {
  return quoted(table.columns.get(name)?.sqlName ?? name);
}

function dimensionsOf(reader: TokenReader, table: Table): Dimensions {
  const tags: string[] = [];
  let windowNs: bigint | undefined;
  if (!reader.take("GROUP", "BY")) return { tags, windowNs };
  do {
    if (reader.take("TIME", "(")) {
      windowNs = durationNs(reader.next().value);
      // DuckDB's intervals have microseconds.
      if (windowNs === 0n || windowNs % 1000n !== 0n) throw notImplemented("time windows of this length");
      reader.expect(")");
      continue;
    }
    if (reader.peek().value === "*") throw notImplemented("GROUP BY *");
    const tag = reader.identifier();
    if (kindOf(table, tag) !== "tag") throw notImplemented(`GROUP BY ${tag}, which is no tag`);
    tags.push(tag);
  } while (reader.take(","));
  if (reader.take("FILL", "(")) reader.expect("NONE", ")");
  return { tags, windowNs };
}

interface Tail {
  readonly direction: string;
  readonly limit: string;
}

function tailOf(reader: TokenReader, { tags }: Dimensions): Tail {
  let direction = "ASC";
  if (reader.take("ORDER", "BY", "TIME") && reader.take("DESC")) direction = "DESC";
  else reader.take("ASC");
  let limit = "";
  for (const word of ["LIMIT", "OFFSET"]) {
    if (!reader.take(word)) continue;
    if (tags.length > 0) throw notImplemented(`${word} for each series`);
    const { kind, value } = reader.next();
    if (kind !== "number" || value.includes(".")) throw notImplemented(`${word} ${value}`);
    limit += ` ${word} ${value}`;
  }
  return { direction, limit };
}

function rowsSql(
  table: Table,
  items: readonly Item[],
  where: string,
  dimensions: Dimensions,
  tail: Tail,
): Translated {
  const fields = items.filter((item) => kindOf(table, item.column) !== "tag");
  if (fields.length === 0) {
    throw new InfluxQlRefusal("Error during planning: at least one non-time field must be queried");
  }
  const present = fields.map(({ column }) => `${columnSql(table, column)} IS NOT NULL`).join(" OR ");
  const shown = items.map((item) => {
    const sql = columnSql(table, item.column);
    return item.alias === item.column ? sql : `${sql} AS ${quoted(item.alias)}`;
  });
  // A tag that is selected stands where it was selected, else before the fields.
  const added = dimensions.tags.filter((tag) => !items.some(({ alias }) => alias === tag));
  const tags = added.map((tag) => columnSql(table, tag));
  const names = [...added, ...items.map(({ alias }) => alias)];
  const sql =
    `SELECT ${[nameSql(table), "time", ...tags, ...shown].join(", ")} FROM ${quoted(table.sqlName)} ` +
    `WHERE (${where}) AND (${present}) ORDER BY ${orderSql(table, dimensions, tail)}${tail.limit}`;
  const groups = dimensions.tags.map((tagKey): GroupTag => {
    const columnIndex = names.indexOf(tagKey) + 2;
    return added.includes(tagKey) ? { tagKey, columnIndex } : { tagKey, columnIndex, isProjected: true };
  });
  return { sql, metadata: metadataOf(groups) };
}

const calls = new Set(["count", "mean", "sum", "min", "max", "first", "last"]);

function aggregateSql(
  table: Table,
  items: readonly Item[],
  where: string,
  dimensions: Dimensions,
  tail: Tail,
): Translated {
  const tags = dimensions.tags.map((tag) => columnSql(table, tag));
  const values = items.map((item) => `${callSql(table, item)} AS ${quoted(item.alias)}`);
  const window = dimensions.windowNs === undefined ? [] : [windowSql(dimensions.windowNs)];
  const time = window[0] ?? timeOf(table, items);
  const groups = [...tags, ...window];
  const counted = items.map((item) => `count(${columnSql(table, item.column)}) > 0`).join(" OR ");
  const sql =
    `SELECT ${[nameSql(table), `${time} AS "time"`, ...tags, ...values].join(", ")} FROM ${quoted(table.sqlName)} ` +
    `WHERE ${where}${groups.length === 0 ? "" : ` GROUP BY ${groups.join(", ")}`} HAVING ${counted} ` +
    `ORDER BY ${[...tags, `2 ${tail.direction}`].join(", ")}${tail.limit}`;
  const groupTags = dimensions.tags.map((tagKey, at) => ({ tagKey, columnIndex: at + 2 }));
  return { sql, metadata: metadataOf(groupTags) };
}

function callSql(table: Table, { call, column }: Item): string {
  const kind = kindOf(table, column);
  const sql = columnSql(table, column);
  const isNumber = kind === "float" || kind === "integer" || kind === "uinteger";
  if (kind === "tag" || (!isNumber && (call === "mean" || call === "sum"))) {
    throw notImplemented(`${call ?? ""} of ${column}, which is ${kind === "tag" ? "a tag" : `a ${kind}`}`);
  }
  switch (call) {
    case "mean":
      return `avg(${sql})`;
    case "first":
      return `arg_min(${sql}, time)`;
    case "last":
      return `arg_max(${sql}, time)`;
    case "sum":
      return kind === "uinteger" ? `CAST(sum(${sql}) AS UBIGINT)` : `sum(${sql})`;
    default:
      return `${call ?? ""}(${sql})`;
  }
}

/** A single selector gives its point's time, all else the epoch. */
function timeOf(table: Table, items: readonly Item[]): string {
  const [item] = items;
  const sql = item === undefined ? "" : columnSql(table, item.column);
  switch (items.length === 1 ? item?.call : undefined) {
    case "first":
      return `min(CASE WHEN ${sql} IS NOT NULL THEN time END)`;
    case "last":
      return `max(CASE WHEN ${sql} IS NOT NULL THEN time END)`;
    case "min":
      return `arg_min(time, ${sql})`;
    case "max":
      return `arg_max(time, ${sql})`;
    default:
      return "make_timestamp_ns(0)";
  }
}

function windowSql(windowNs: bigint): string {
  return `date_bin(INTERVAL '${windowNs / 1000n} microseconds', time)`;
}

function nameSql(table: Table): string {
  return `${textSql(table.name)} AS ${measurementColumn}`;
}

function orderSql(table: Table, { tags }: Dimensions, { direction }: Tail): string {
  return [...tags.map((tag) => columnSql(table, tag)), `time ${direction}`].join(", ");
}

function textSql(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

const shownType: Readonly<Record<string, string>> = { uinteger: "unsigned" };

function showSql(reader: TokenReader, database: Database): string {
  if (!reader.take("SHOW")) throw reader.unexpected();
  if (reader.take("MEASUREMENTS")) {
    const rows = [...database.tables.keys()].sort().map((name) => ["measurements", name]);
    return literalSql(["iox::measurement", "name"], rows);
  }
  const isTags = reader.take("TAG", "KEYS");
  if (!isTags && !reader.take("FIELD", "KEYS")) {
    throw notImplemented(`SHOW ${reader.next().value.toUpperCase()}`);
  }
  const only = reader.take("FROM") ? reader.identifier() : undefined;
  const tables = [...database.tables.values()].filter(({ name }) => only === undefined || name === only);
  const rows = tables.flatMap((table) =>
    [...table.columns.values()]
      .filter(({ kind }) => (kind === "tag") === isTags)
      .map(({ name, kind }) => (isTags ? [table.name, name] : [table.name, name, shownType[kind] ?? kind])),
  );
  rows.sort((a, b) => (a.join("\0") < b.join("\0") ? -1 : 1));
  const names = isTags ? ["tagKey"] : ["fieldKey", "fieldType"];
  return literalSql(["iox::measurement", ...names], rows);
}

function literalSql(names: readonly string[], rows: readonly (readonly string[])[]): string {
  const select = (row: readonly string[]): string =>
    `SELECT ${names.map((name, at) => `${textSql(row[at] ?? "")} AS ${quoted(name)}`).join(", ")}`;
  return rows.length === 0 ? `${select([])} WHERE false` : rows.map(select).join(" UNION ALL ");
}
