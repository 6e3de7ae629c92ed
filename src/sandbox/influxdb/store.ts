/**
 * The stand-in's data in DuckDB, in a directory or in memory.
 *
 * Invariants: what `commit` was given is durable and visible to every later `query` when its promise
 * resolves, all of it or nothing. One (series, time) has one row. Changes run one after another. A query sees
 * every table and column that the catalog has taken, their rows not before they are committed: InfluxDB 3,
 * too, keeps its catalog ahead of its WAL.
 */
import { assert } from "../../lib/fault.ts";
import type { CatalogLimits, Database, Table } from "./catalog.ts";
import { Catalog } from "./catalog.ts";
import type {
  DuckDBAppender,
  DuckDBConnection,
  DuckDBInstance,
  DuckDBValue,
  DuckDb,
  OpenedEngine,
} from "./duckdb.ts";
import { openEngine } from "./duckdb.ts";
import { functionSchema } from "./functions.ts";
import type { AcceptedPoint } from "./ingest.ts";
import { eraseDatabase, prepareSchema, restoreCatalog, storeDatabase, widenTable } from "./schema.ts";
import type { ResultStream, SqlResult, SqlStream } from "./sql-stream.ts";
import { collect, openStream } from "./sql-stream.ts";
import type { SqlParameters } from "./sql.ts";
import { planningError } from "./sql.ts";
import type { Cell, Effect, Row } from "./table-state.ts";
import { TableState, mergeRow } from "./table-state.ts";

const maxIdsPerStatement = 1000;

export interface StoreOptions {
  /** Absent: in memory. */
  readonly directory: string | undefined;
  readonly limits: CatalogLimits;
}

export type EffectCounts = Record<Effect, number>;

export class Store {
  readonly catalog: Catalog;
  /** The same for the life of the data directory. */
  readonly clusterId: string;
  readonly #duckDb: DuckDb;
  readonly #instance: DuckDBInstance;
  readonly #writer: DuckDBConnection;
  readonly #states: Map<Table, TableState>;
  readonly #storedDatabases: Set<Database>;
  readonly #streams = new Set<ResultStream>();
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(
    opened: OpenedEngine,
    catalog: Catalog,
    clusterId: string,
    states: Map<Table, TableState>,
  ) {
    this.#duckDb = opened.duckDb;
    this.#instance = opened.instance;
    this.#writer = opened.writer;
    this.catalog = catalog;
    this.clusterId = clusterId;
    this.#states = states;
    this.#storedDatabases = new Set(catalog.databases());
  }

  /** Throws the faults `sandbox_duckdb_missing` and `sandbox_data_unusable`. */
  static async open(options: StoreOptions): Promise<Store> {
    const opened = await openEngine(options.directory);
    const catalog = new Catalog(options.limits);
    const clusterId = await prepareSchema(opened.writer);
    const states = await restoreCatalog(opened.writer, catalog);
    return new Store(opened, catalog, clusterId, states);
  }

  /** Writes points that `ingest` accepted, in their order. */
  async commit(points: readonly AcceptedPoint[]): Promise<EffectCounts> {
    return await this.#transaction(async () => {
      const counts: EffectCounts = { created: 0, repeated: 0, extended: 0, overwritten: 0 };
      const committed: (() => void)[] = await this.#storeNewDatabases();
      for (const [table, tablePoints] of Map.groupBy(points, (point) => point.table)) {
        if (!this.#storedDatabases.has(table.database) && !this.#isCurrent(table.database)) continue;
        committed.push(await this.#writeTable(table, tablePoints, counts));
      }
      return { value: counts, committed };
    });
  }

  /** Makes databases durable that were created without a write. */
  async saveDatabases(): Promise<void> {
    await this.#transaction(async () => ({
      value: undefined,
      committed: await this.#storeNewDatabases(),
    }));
  }

  /** Erases a database that the catalog has dropped; points of it that still wait are forgotten. */
  async eraseDatabase(database: Database): Promise<void> {
    await this.#transaction(async () => {
      await eraseDatabase(this.#writer, database);
      const forget = (): void => {
        this.#storedDatabases.delete(database);
        for (const table of database.tables.values()) this.#states.delete(table);
      };
      return { value: undefined, committed: [forget] };
    });
  }

  /** One statement that reads. Throws `SqlRefusal` when it is not that, or wrong. */
  async query(database: Database, sql: string, parameters: SqlParameters): Promise<SqlResult> {
    return await collect(await this.stream(database, sql, parameters));
  }

  /** The same, batch by batch. Whoever does not read it to its end closes it. */
  async stream(database: Database, sql: string, parameters: SqlParameters): Promise<SqlStream> {
    await this.#storeTables(database);
    if (!this.#storedDatabases.has(database)) throw planningError(`database '${database.name}' was deleted`);
    const connection = await this.#instance.connect();
    try {
      await connection.run(`SET search_path = 'db${database.id},${functionSchema}'`);
      const stream = await openStream(this.#duckDb, connection, database, sql, parameters);
      this.#streams.add(stream);
      void stream.ended.then(() => this.#streams.delete(stream));
      return stream;
    } catch (error) {
      connection.closeSync();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#lastChange.catch(() => undefined);
    for (const stream of this.#streams) stream.close();
    await Promise.all([...this.#streams].map(async (stream) => await stream.ended));
    this.#writer.closeSync();
    this.#instance.closeSync();
  }

  async #transaction<T>(work: () => Promise<{ value: T; committed: readonly (() => void)[] }>): Promise<T> {
    const run = async (): Promise<T> => {
      await this.#writer.run("BEGIN");
      try {
        const { value, committed } = await work();
        await this.#writer.run("COMMIT");
        for (const remember of committed) remember();
        return value;
      } catch (error) {
        // A failed COMMIT has ended the transaction already.
        await this.#writer.run("ROLLBACK").catch(() => undefined);
        throw error;
      }
    };
    const result = this.#lastChange.then(run, run);
    this.#lastChange = result.catch(() => undefined);
    return await result;
  }

  #isCurrent(database: Database): boolean {
    return this.catalog.database(database.name) === database;
  }

  async #storeNewDatabases(): Promise<(() => void)[]> {
    const committed: (() => void)[] = [];
    for (const database of this.catalog.databases()) {
      if (this.#storedDatabases.has(database)) continue;
      await storeDatabase(this.#writer, database);
      committed.push(() => this.#storedDatabases.add(database));
    }
    return committed;
  }

  /** Makes what the catalog has of a database durable and visible, where that was not done yet. */
  async #storeTables(database: Database): Promise<void> {
    if (this.#storedDatabases.has(database) && this.#narrowTables(database).length === 0) return;
    await this.#transaction(async () => {
      const committed = await this.#storeNewDatabases();
      const widened = this.#isCurrent(database) ? this.#narrowTables(database) : [];
      for (const table of widened) {
        const state = this.#state(table);
        const width = await widenTable(this.#writer, state);
        committed.push(() => {
          state.storedColumns = width;
        });
      }
      return { value: undefined, committed };
    });
  }

  /** Tables that have fewer columns in DuckDB than in the catalog. */
  #narrowTables(database: Database): Table[] {
    return [...database.tables.values()].filter(
      (table) => this.#state(table).storedColumns < table.columns.size,
    );
  }

  #state(table: Table): TableState {
    const state = this.#states.get(table) ?? new TableState(table);
    this.#states.set(table, state);
    return state;
  }

  async #writeTable(
    table: Table,
    points: readonly AcceptedPoint[],
    counts: EffectCounts,
  ): Promise<() => void> {
    const state = this.#state(table);
    const rows = state.group(points);
    const width = await widenTable(this.#writer, state);
    await this.#loadStored(table, rows);
    const replaced: bigint[] = [];
    const written: Row[] = [];
    for (const row of rows) {
      const effects = mergeRow(row);
      for (const effect of effects) counts[effect] += 1;
      if (effects.every((effect) => effect === "repeated")) continue;
      written.push(row);
      if (row.storedRowId !== undefined) replaced.push(row.storedRowId);
    }
    for (let at = 0; at < replaced.length; at += maxIdsPerStatement) {
      const ids = replaced.slice(at, at + maxIdsPerStatement).join(", ");
      await this.#writer.run(`DELETE FROM data.t${table.id} WHERE rowid IN (${ids})`);
    }
    await this.#append(table, written, width);
    return () => {
      state.storedColumns = width;
      for (const { series, timeNs } of written) {
        if (timeNs > series.maxTimeNs) series.maxTimeNs = timeNs;
      }
    };
  }

  /** Gives the rows that may have been written before their stored cells. */
  async #loadStored(table: Table, rows: readonly Row[]): Promise<void> {
    const older = rows.filter((row) => row.timeNs <= row.series.maxTimeNs);
    if (older.length === 0) return;
    const appender = await this.#writer.createAppender("lookup", null, "temp");
    for (const [number, row] of older.entries()) {
      appender.appendInteger(number);
      appender.appendTimestampNanoseconds(this.#timestamp(row.timeNs));
      appender.appendInteger(row.series.id);
      appender.endRow();
    }
    appender.closeSync();
    const reader = await this.#writer.runAndReadAll(
      `SELECT number, stored.rowid, stored.* FROM lookup JOIN data.t${table.id} AS stored USING (time, series)`,
    );
    await this.#writer.run("DELETE FROM lookup");
    for (const [number, rowId, _time, _series, ...cells] of reader.getRows()) {
      const row = older[Number(number)];
      assert(
        row !== undefined && typeof rowId === "bigint",
        "a stored row belongs to a row that was asked for",
      );
      row.storedRowId = rowId;
      row.cells = cells.map(cellOf);
    }
  }

  async #append(table: Table, rows: readonly Row[], width: number): Promise<void> {
    if (rows.length === 0) return;
    const appender = await this.#writer.createAppender(`t${table.id}`, "data");
    const kinds = [...table.columns.values()].map((column) => column.kind);
    for (const row of rows) {
      appender.appendTimestampNanoseconds(this.#timestamp(row.timeNs));
      appender.appendInteger(row.series.id);
      for (let at = 0; at < width; at += 1) {
        appendCell(appender, row.cells[at] ?? null, kinds[at] === "uinteger");
      }
      appender.endRow();
    }
    appender.closeSync();
  }

  #timestamp(ns: bigint): InstanceType<DuckDb["DuckDBTimestampNanosecondsValue"]> {
    return new this.#duckDb.DuckDBTimestampNanosecondsValue(ns);
  }
}

function appendCell(appender: DuckDBAppender, cell: Cell, unsigned: boolean): void {
  if (cell === null) appender.appendNull();
  else if (typeof cell === "number") appender.appendDouble(cell);
  else if (typeof cell === "string") appender.appendVarchar(cell);
  else if (typeof cell === "boolean") appender.appendBoolean(cell);
  else if (unsigned) appender.appendUBigInt(cell);
  else appender.appendBigInt(cell);
}

function cellOf(value: DuckDBValue): Cell {
  assert(value === null || typeof value !== "object", "a stored cell is of one of our five types");
  return value;
}
