/**
 * Which databases, tables and columns there are, and of which type: fixed by the first write, as in
 * InfluxDB 3, with its limits and its texts. In memory; `store.ts` makes it durable.
 *
 * Changes are made in place and undone when a line or a whole write is refused: a write is judged in one
 * synchronous step, so nobody sees the catalog in between.
 *
 * Invariant: a table's columns never change their position, and a position is never used twice.
 */
import type { FieldType } from "./point.ts";

export type ColumnKind = "tag" | FieldType;

export interface CatalogLimits {
  readonly databases: number;
  /** Over all databases. */
  readonly tables: number;
  /** Tags and fields of one table; time is not counted. */
  readonly columnsPerTable: number;
}

/** InfluxDB 3 Core. */
export const coreLimits: CatalogLimits = { databases: 5, tables: 2000, columnsPerTable: 500 };

export interface Column {
  readonly name: string;
  readonly kind: ColumnKind;
  /** What SQL calls it: DuckDB cannot tell apart names that differ only by case. */
  readonly sqlName: string;
  readonly position: number;
}

export interface Table {
  readonly id: number;
  readonly name: string;
  readonly sqlName: string;
  readonly database: Database;
  /** In the order of their positions. */
  readonly columns: Map<string, Column>;
  /** A line was accepted, so that there is a time column. */
  established: boolean;
}

export interface Database {
  readonly id: number;
  readonly name: string;
  retentionNs: bigint | undefined;
  readonly tables: Map<string, Table>;
}

/** The catalog does not take it; the message is the server's. */
export class CatalogRefusal extends Error {
  /** A limit is answered with 422 where it concerns the whole request, a missing thing with 404. */
  readonly reason: "limit" | "schema" | "exists" | "not_found";

  constructor(reason: CatalogRefusal["reason"], message: string) {
    super(message);
    this.reason = reason;
  }
}

export class Catalog {
  readonly limits: CatalogLimits;
  readonly #databases = new Map<string, Database>();
  readonly #undo: (() => void)[] = [];
  #nextDatabaseId = 1;
  #nextTableId = 1;

  constructor(limits: CatalogLimits) {
    this.limits = limits;
  }

  /** By name, in byte order. */
  databases(): Database[] {
    return [...this.#databases.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  database(name: string): Database | undefined {
    return this.#databases.get(name);
  }

  createDatabase(name: string, retentionNs: bigint | undefined): Database {
    if (this.#databases.size >= this.limits.databases) {
      throw new CatalogRefusal(
        "limit",
        `Adding a new database would exceed limit of ${this.limits.databases} databases`,
      );
    }
    if (this.#databases.has(name)) {
      throw new CatalogRefusal("exists", "attempted to create a resource that already exists");
    }
    return this.restoreDatabase(this.#nextDatabaseId, name, retentionNs);
  }

  databaseOrCreate(name: string): Database {
    return this.#databases.get(name) ?? this.createDatabase(name, undefined);
  }

  dropDatabase(name: string): Database {
    const database = this.#databases.get(name);
    if (database === undefined) {
      throw new CatalogRefusal("not_found", `the requested resource was not found: ${name}`);
    }
    this.#databases.delete(name);
    return database;
  }

  tableOrCreate(database: Database, name: string): Table {
    const existing = database.tables.get(name);
    if (existing !== undefined) return existing;
    const current = this.databases().reduce((sum, each) => sum + each.tables.size, 0);
    if (current >= this.limits.tables) {
      throw new CatalogRefusal(
        "limit",
        "Update to schema would exceed number of tables limit: attempted to create table but already have " +
          `${current} table(s) (limit: ${this.limits.tables})`,
      );
    }
    return this.restoreTable(database, this.#nextTableId, name);
  }

  columnOrCreate(table: Table, name: string, kind: ColumnKind): Column {
    const existing = table.columns.get(name);
    if (existing?.kind === kind) return existing;
    if (existing !== undefined) throw typeConflict(name, typeText(existing.kind), kind);
    if (name === "time") {
      if (table.established) throw typeConflict(name, "iox::column_type::timestamp", kind);
      throw new CatalogRefusal("schema", "'time' is a reserved column");
    }
    if (table.columns.size >= this.limits.columnsPerTable) {
      throw new CatalogRefusal(
        "limit",
        `Update to schema would exceed number of columns per table limit of ${this.limits.columnsPerTable} columns`,
      );
    }
    return this.restoreColumn(table, name, kind);
  }

  /** As stored: without the limits. */
  restoreDatabase(id: number, name: string, retentionNs: bigint | undefined): Database {
    const database: Database = { id, name, retentionNs, tables: new Map() };
    this.#nextDatabaseId = Math.max(this.#nextDatabaseId, id + 1);
    this.#databases.set(name, database);
    this.#undo.push(() => this.#databases.delete(name));
    return database;
  }

  restoreTable(database: Database, id: number, name: string): Table {
    const sqlName = distinctSqlName(
      name,
      [...database.tables.values()].map((table) => table.sqlName),
    );
    const table: Table = { id, name, sqlName, database, columns: new Map(), established: false };
    this.#nextTableId = Math.max(this.#nextTableId, id + 1);
    database.tables.set(name, table);
    this.#undo.push(() => database.tables.delete(name));
    return table;
  }

  restoreColumn(table: Table, name: string, kind: ColumnKind): Column {
    const taken = ["time", ...[...table.columns.values()].map((column) => column.sqlName)];
    const column: Column = {
      name,
      kind,
      sqlName: distinctSqlName(name, taken),
      position: table.columns.size,
    };
    table.columns.set(name, column);
    this.#undo.push(() => table.columns.delete(name));
    return column;
  }

  /** Where `undoTo` can return to. */
  mark(): number {
    return this.#undo.length;
  }

  undoTo(mark: number): void {
    for (const undo of this.#undo.splice(mark).toReversed()) undo();
  }

  /** What was changed until now stays. */
  keep(): void {
    this.#undo.length = 0;
  }
}

function typeText(kind: ColumnKind): string {
  return kind === "tag" ? "iox::column_type::tag" : `iox::column_type::field::${kind}`;
}

function typeConflict(name: string, expected: string, got: ColumnKind): CatalogRefusal {
  return new CatalogRefusal(
    "schema",
    `invalid column type for column '${name}', expected ${expected}, got ${typeText(got)}`,
  );
}

/**
 * `Temp` beside `temp` becomes `Temp~2` in SQL, the next one `TEMP~3`; results give the true name back.
 * NUL cannot stand in a statement and is shown as its symbol.
 */
function distinctSqlName(name: string, taken: readonly string[]): string {
  const used = new Set(taken.map((each) => each.toLowerCase()));
  const base = name.replaceAll("\0", "\u2400");
  let candidate = base;
  for (let n = 2; used.has(candidate.toLowerCase()); n += 1) candidate = `${base}~${n}`;
  return candidate;
}
