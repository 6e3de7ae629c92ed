import type Database from "better-sqlite3";
import { errorCode, Fault } from "../lib/fault.ts";
import type { ColumnType, TableColumn } from "../telemetry/column-types.ts";
import { changedRowBytes } from "../sqlite/database.ts";

export interface SchemaStoreOptions {
  /** Columns of all databases together; further ones are not kept. */
  readonly maxColumns?: number;
}

/** A column as it is to be stored. */
interface StoredColumn extends Omit<TableColumn, "type"> {
  /** Undefined: not at all. */
  readonly type: ColumnType | undefined;
}

/** Every one of them, or the compiler complains. */
const columnTypes: Readonly<Record<ColumnType, true>> = {
  tag: true,
  float: true,
  integer: true,
  unsigned: true,
  string: true,
  boolean: true,
  time: true,
  other: true,
};

/**
 * The table `influx_column` of state.db: the types of InfluxDB's columns as they were last known, so that a
 * daemon that starts while InfluxDB is away, or may not read its schema, makes the same columns as before.
 *
 * A cache: what is lost is read from InfluxDB again. A database is named by a key of the caller's, which
 * says the server, too.
 */
export class SchemaStore {
  readonly #database: Database.Database;
  /** Tells the owner of the file how much a save has added to its WAL. */
  readonly #wrote: (bytes: number) => void;
  readonly #maxColumns: number;
  readonly #change: Database.Statement<[string, string, string, string]>;
  readonly #insert: Database.Statement<[string, string, string, string]>;
  readonly #remove: Database.Statement<[string, string, string]>;
  #count: number;

  constructor(
    database: Database.Database,
    wrote: (bytes: number) => void,
    { maxColumns = 200_000 }: SchemaStoreOptions = {},
  ) {
    this.#database = database;
    this.#wrote = wrote;
    this.#maxColumns = maxColumns;
    this.#change = database.prepare(
      "UPDATE influx_column SET type = ? WHERE database = ? AND table_name = ? AND column_name = ?",
    );
    this.#insert = database.prepare(
      "INSERT INTO influx_column (type, database, table_name, column_name) VALUES (?, ?, ?, ?)",
    );
    this.#remove = database.prepare(
      "DELETE FROM influx_column WHERE database = ? AND table_name = ? AND column_name = ?",
    );
    // It reads every page: damage that shows while the file is being opened has it moved aside.
    this.#count = this.#countRows();
  }

  /** What was saved under this key. A row that cannot be understood is left out. */
  load(key: string): TableColumn[] {
    return storedColumns(this.#database, key);
  }

  /**
   * Adds columns, changes the types of those that are there and removes those without a type. Durable when it
   * returns undefined; else it returns the fault for which nothing was stored: schema_unsaved or state_damaged. Throws for a bug.
   */
  save(key: string, columns: readonly StoredColumn[]): Fault | undefined {
    if (columns.length === 0) return undefined;
    let added = 0;
    try {
      this.#database.transaction(() => {
        for (const { table, column, type } of columns) {
          if (type === undefined) added -= this.#remove.run(key, table, column).changes;
        }
        for (const { table, column, type } of columns) {
          if (type === undefined) continue;
          if (this.#change.run(type, key, table, column).changes > 0) continue;
          if (this.#count + added >= this.#maxColumns) continue;
          added += this.#insert.run(type, key, table, column).changes;
        }
      })();
    } catch (error) {
      return unsaved(error);
    }
    this.#count += added;
    this.#wrote(columns.length * changedRowBytes);
    return undefined;
  }

  /** Forgets the databases that are not written to any more. Returns the fault for which it could not. */
  keepOnly(keys: readonly string[]): Fault | undefined {
    const forget = this.#database.prepare<[string]>(
      "DELETE FROM influx_column WHERE database NOT IN (SELECT value FROM json_each(?))",
    );
    try {
      const { changes } = forget.run(JSON.stringify(keys));
      if (changes > 0) this.#wrote(changes * changedRowBytes);
    } catch (error) {
      return unsaved(error);
    }
    this.#count = this.#countRows();
    return undefined;
  }

  #countRows(): number {
    return Number(this.#database.prepare("SELECT count(*) FROM influx_column").pluck().get());
  }
}

/** A row that cannot be understood is left out. */
export function storedColumns(database: Database.Database, key: string): TableColumn[] {
  const rows = database
    .prepare<[string], { table: string; column: string; type: string }>(
      `SELECT table_name AS "table", column_name AS "column", type FROM influx_column WHERE database = ?`,
    )
    .all(key);
  return rows.filter((row): row is TableColumn => Object.hasOwn(columnTypes, row.type));
}

/** Of what SQLite could not do, or state_damaged; anything else is a bug, and thrown again. */
function unsaved(cause: unknown): Fault {
  if (cause instanceof Fault) return cause;
  const code = errorCode(cause);
  if (code?.startsWith("SQLITE_") !== true) throw cause;
  return new Fault({
    code: "schema_unsaved",
    layer: "journal",
    disposition: "drop",
    message: `the column types of InfluxDB could not be stored in state.db (${code})`,
    hint: "free space on the disk that holds [journal] dir; until then they are read from InfluxDB again after a restart",
    cause,
  });
}
