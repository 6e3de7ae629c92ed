/** A statement as DuckDB has parsed it (`json_serialize_sql`). Its shape is DuckDB's own, so nothing is taken for granted. */

export type Tree = Readonly<Record<string, unknown>>;

export function isTree(value: unknown): value is Tree {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The objects in an array; of anything else none. */
export function treesIn(value: unknown): Tree[] {
  return Array.isArray(value) ? value.filter(isTree) : [];
}

export function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}

export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The query of a subquery or of a `WITH` item. */
export function queryIn(holder: unknown): Tree | undefined {
  const query = isTree(holder) ? holder["node"] : undefined;
  return isTree(query) ? query : undefined;
}

/** What a query names with `WITH`, in its order. */
export function withQueriesOf(query: Tree): { readonly name: string; readonly item: Tree }[] {
  const map = isTree(query["cte_map"]) ? treesIn(query["cte_map"]["map"]) : [];
  return map.flatMap(({ key, value }) => (isTree(value) ? [{ name: textOf(key), item: value }] : []));
}
