/**
 * What TOML gives, as plain data: tables are objects without a prototype, so that a key may be called
 * `constructor`. A place in it is a `Path`; its text form serves as key of maps. Pure.
 */

export type Path = readonly (string | number)[];

/** Deeper nesting is a mistake or malice, and would exhaust the stack of those who walk the tree. */
export const maxDepth = 32;

export interface Table {
  [key: string]: unknown;
}

/** Something wrong at a place of the merged tree; it gets its file and line later (`locate.ts`). */
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly hint?: string | undefined;
}

/** Dates are objects too, but not tables. */
export function isTable(value: unknown): value is Table {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;
}

export function newTable(): Table {
  return Object.create(null) as Table;
}

export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** `mqtt[0].url`, and quotes where a key needs them. */
export function showPath(path: Path): string {
  let shown = "";
  for (const step of path) {
    if (typeof step === "number") shown += `[${step}]`;
    else shown += `${shown === "" ? "" : "."}${/^[A-Za-z0-9_-]+$/.test(step) ? step : JSON.stringify(step)}`;
  }
  return shown;
}

export function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const step of path) {
    if (isTable(value) && typeof step === "string") value = value[step];
    else if (Array.isArray(value) && typeof step === "number") value = value[step] as unknown;
    else return undefined;
  }
  return value;
}

/** A copy of the tree with every string replaced; `replace` sees them in the order of the tree. */
export function mapStrings(tree: Table, replace: (text: string, path: Path) => string): Table {
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === "string") return replace(value, path);
    if (Array.isArray(value)) return value.map((item: unknown, index) => visit(item, [...path, index]));
    return isTable(value) ? visitTable(value, path) : value;
  };
  const visitTable = (table: Table, path: Path): Table => {
    const copy = newTable();
    for (const [key, item] of Object.entries(table)) copy[key] = visit(item, [...path, key]);
    return copy;
  };
  return visitTable(tree, []);
}
