/**
 * What is known of a result's columns from the statement alone, by its parsed form: which of them are a
 * table's own, and are therefore marked with that column's type (`iox::column::type`), and what InfluxDB calls
 * those that have no name of their own (`avg(home.temp)`). Where the statement goes beyond what is followed
 * here (set operations, joins with USING under `*`), nothing is known, which is never wrong.
 */
import type { Database, Table } from "./catalog.ts";
import { expressionName } from "./expression-name.ts";
import type { Tree } from "./tree.ts";
import { isTree, queryIn, textOf, textsIn, treesIn, withQueriesOf } from "./tree.ts";

export interface OutputColumn {
  /** Undefined: as the engine calls it. */
  readonly name: string | undefined;
  /** `tag`, `field::float`, `timestamp`; undefined where it is computed or has another name. */
  readonly influx: string | undefined;
}

/** A table, or a query in its place, under the name that it has in the statement. */
interface Relation {
  readonly name: string;
  /** In the order of `*`; undefined: not known. */
  readonly columns: readonly OutputColumn[] | undefined;
}

/** Queries that were named with WITH, in lower case. */
type Scope = ReadonlyMap<string, readonly OutputColumn[] | undefined>;

export function outputColumns(query: Tree, database: Database): OutputColumn[] | undefined {
  return columnsOf(query, database, new Map());
}

/** A name as it was written to InfluxDB comes first; else case does not matter, as in DuckDB. */
export function tableNamed(name: string, database: Database): Table | undefined {
  const wanted = name.toLowerCase();
  return (
    database.tables.get(name) ??
    [...database.tables.values()].find((table) => table.sqlName.toLowerCase() === wanted)
  );
}

function columnsOf(query: Tree, database: Database, outer: Scope): OutputColumn[] | undefined {
  if (query["type"] !== "SELECT_NODE") return undefined;
  const scope = new Map(outer);
  for (const { name, item } of withQueriesOf(query)) {
    const inner = queryIn(item["query"]);
    const isPlain = inner !== undefined && textsIn(item["aliases"]).length === 0;
    scope.set(name.toLowerCase(), isPlain ? columnsOf(inner, database, scope) : undefined);
  }
  const relations = relationsIn(query["from_table"], database, scope);
  const columns: OutputColumn[] = [];
  for (const item of treesIn(query["select_list"])) {
    const found = item["class"] === "STAR" ? starColumns(item, relations) : [columnOf(item, relations)];
    if (found === undefined) return undefined;
    columns.push(...found);
  }
  return columns;
}

function relationsIn(from: unknown, database: Database, scope: Scope): Relation[] {
  if (!isTree(from)) return [];
  const alias = textOf(from["alias"]);
  const isRenamed = textsIn(from["column_name_alias"]).length > 0;
  switch (from["type"]) {
    case "EMPTY":
      return [];
    case "BASE_TABLE": {
      const name = textOf(from["table_name"]);
      const columns = textOf(from["schema_name"]) === "" ? scope.get(name.toLowerCase()) : undefined;
      const isNamedHere = textOf(from["schema_name"]) === "" && scope.has(name.toLowerCase());
      const own = isNamedHere ? columns : tableColumns(from, database);
      return [{ name: alias || name, columns: isRenamed ? undefined : own }];
    }
    case "SUBQUERY": {
      const query = queryIn(from["subquery"]);
      const columns = query === undefined || isRenamed ? undefined : columnsOf(query, database, scope);
      return [{ name: alias, columns }];
    }
    case "JOIN": {
      const sides = [from["left"], from["right"]].flatMap((side) => relationsIn(side, database, scope));
      // A column that both sides share stands only once in `*`.
      const isPlain = from["ref_type"] === "REGULAR" || from["ref_type"] === "CROSS";
      return isPlain && textsIn(from["using_columns"]).length === 0
        ? sides
        : sides.map(({ name }) => ({ name, columns: undefined }));
    }
    default:
      return [{ name: alias, columns: undefined }];
  }
}

function tableColumns(from: Tree, database: Database): OutputColumn[] | undefined {
  if (textOf(from["schema_name"]).toLowerCase() === "information_schema") return undefined;
  const table = tableNamed(textOf(from["table_name"]), database);
  if (table === undefined) return undefined;
  const columns = [...table.columns.values()].map(({ name, sqlName, kind }) => ({
    order: Buffer.from(name),
    name: sqlName,
    influx: kind === "tag" ? "tag" : `field::${kind}`,
  }));
  return [{ order: Buffer.from("time"), name: "time", influx: "timestamp" }, ...columns]
    .sort((a, b) => Buffer.compare(a.order, b.order))
    .map(({ name, influx }) => ({ name, influx }));
}

function starColumns(star: Tree, relations: readonly Relation[]): OutputColumn[] | undefined {
  const changes = ["exclude_list", "replace_list", "rename_list", "qualified_exclude_list"];
  const isPlain =
    changes.every((key) => !Array.isArray(star[key]) || star[key].length === 0) &&
    star["columns"] === false &&
    star["expr"] === null;
  const wanted = textOf(star["relation_name"]).toLowerCase();
  const columns: OutputColumn[] = [];
  for (const relation of relations) {
    if (wanted !== "" && relation.name.toLowerCase() !== wanted) continue;
    if (relation.columns === undefined) return undefined;
    columns.push(...relation.columns);
  }
  return isPlain ? columns : undefined;
}

function columnOf(item: Tree, relations: readonly Relation[]): OutputColumn {
  const alias = textOf(item["alias"]);
  if (item["class"] !== "COLUMN_REF") {
    return {
      name: alias || expressionName(item, (path) => qualifiedName(path, relations)),
      influx: undefined,
    };
  }
  const source = sourceOf(textsIn(item["column_names"]), relations)?.column;
  // A column keeps the name that it was written with, whatever the case in the statement.
  return alias === "" ? (source ?? unknownColumn) : { name: alias, influx: undefined };
}

const unknownColumn: OutputColumn = { name: undefined, influx: undefined };

interface Source {
  readonly relation: Relation;
  readonly column: OutputColumn;
}

function sourceOf(path: readonly string[], relations: readonly Relation[]): Source | undefined {
  const [column = "", table = "", ...more] = path.map((part) => part.toLowerCase()).toReversed();
  if (more.length > 0) return undefined;
  const candidates = relations.filter(({ name }) => table === "" || name.toLowerCase() === table);
  if (candidates.some(({ columns }) => columns === undefined)) return undefined;
  for (const relation of candidates) {
    const found = relation.columns?.find(({ name }) => name?.toLowerCase() === column);
    if (found !== undefined) return { relation, column: found };
  }
  return undefined;
}

/** `home.temp`, for `temp` as for `home.temp`. */
function qualifiedName(path: readonly string[], relations: readonly Relation[]): string | undefined {
  const source = sourceOf(path, relations);
  return source?.column.name === undefined ? undefined : `${source.relation.name}.${source.column.name}`;
}
