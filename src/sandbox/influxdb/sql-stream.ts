/**
 * One reading statement of a client, answered batch by batch, column by column. Not more than a batch is held
 * here, and DuckDB computes about as much ahead.
 *
 * Invariants: the stream owns its connection, and ends it after the last batch, on an error and on `close`; a
 * statement that is closed early is interrupted.
 */
import { setTimeout as sleep } from "node:timers/promises";

import type { DuckDBPreparedStatement, DuckDBResult, DuckDBTypeId } from "@duckdb/node-api";

import type { Database } from "./catalog.ts";
import { confine } from "./confine.ts";
import type { DuckDBConnection, DuckDBValue, DuckDb } from "./duckdb.ts";
import type { OutputColumn } from "./lineage.ts";
import { withValues } from "./parameters.ts";
import type { SqlCell, SqlParameters } from "./sql.ts";
import { SqlRefusal, planningError, refusalOf } from "./sql.ts";

export interface StreamColumn {
  readonly name: string;
  readonly type: "timestamp" | "int64" | "uint64" | "float64" | "utf8" | "boolean";
  /** "timestamp", "tag", "field::float" …, of a column that is a table's own; of others undefined. */
  readonly influx: string | undefined;
}

/** Column by column. */
export interface SqlBatch {
  readonly rowCount: number;
  readonly columns: readonly (readonly SqlCell[])[];
}

export interface SqlResult {
  readonly columns: readonly StreamColumn[];
  readonly rows: readonly (readonly SqlCell[])[];
}

export interface SqlStream {
  readonly columns: readonly StreamColumn[];
  /** To be read once. Throws `SqlRefusal` where the statement fails on its data. */
  batches(): AsyncIterable<SqlBatch>;
  /** At any time; what is not read then is not computed. */
  close(): void;
}

const interruptEveryMs = 5;

/** A batch of DataFusion. */
const maxBatchRows = 8192;

/**
 * Plans a statement; it runs when its batches are read. Throws `SqlRefusal`; the connection is then still the
 * caller's.
 */
export async function openStream(
  duckDb: DuckDb,
  connection: DuckDBConnection,
  database: Database,
  sql: string,
  parameters: SqlParameters,
): Promise<ResultStream> {
  try {
    const confined = await confine(connection, database, withValues(sql, parameters));
    // What was planned is run on the same snapshot, with the same columns, whoever writes in the meantime.
    await connection.run("BEGIN TRANSACTION");
    const statement = await connection.prepare(confined.text);
    const { SELECT, EXPLAIN } = duckDb.StatementType;
    if (statement.statementType !== SELECT && statement.statementType !== EXPLAIN) {
      throw planningError("only statements that read are supported");
    }
    if (statement.parameterCount > 0) throw planningError("placeholders must have the form $name");
    const columns = namedColumns(duckDb, statement, confined.columns, database);
    return new ResultStream(duckDb, connection, { statement, text: confined.text, columns });
  } catch (error) {
    throw refusalOf(error);
  }
}

/** Every row of a stream, in memory. */
export async function collect(stream: SqlStream): Promise<SqlResult> {
  const rows: SqlCell[][] = [];
  for await (const { rowCount, columns } of stream.batches()) {
    for (let row = 0; row < rowCount; row += 1) rows.push(columns.map((cells) => cells[row] ?? null));
  }
  return { columns: stream.columns, rows };
}

function namedColumns(
  duckDb: DuckDb,
  statement: DuckDBPreparedStatement,
  known: readonly OutputColumn[] | undefined,
  database: Database,
): StreamColumn[] {
  const trueNames = trueNamesOf(database);
  const names = Array.from({ length: statement.columnCount }, (_, at) => statement.columnName(at));
  // A column that was written to after the snapshot is known, and not yet in the result.
  const present =
    known?.filter(({ name, influx }) => influx === undefined || names.includes(name ?? "")) ?? [];
  const outputs = present.length === names.length ? present : [];
  return names.map((name, at): StreamColumn => {
    const output = outputs[at];
    const shown = output?.name ?? name;
    const type = streamType(duckDb, statement.columnTypeId(at));
    return { name: trueNames.get(shown) ?? shown, type, influx: output?.influx };
  });
}

/** The names that SQL had to change, back to what was written. */
function trueNamesOf(database: Database): Map<string, string> {
  const names = new Map<string, string>();
  for (const table of database.tables.values()) {
    for (const { name, sqlName } of table.columns.values()) if (name !== sqlName) names.set(sqlName, name);
  }
  return names;
}

function streamType({ DuckDBTypeId: ids }: DuckDb, typeId: DuckDBTypeId): StreamColumn["type"] {
  switch (typeId) {
    case ids.BOOLEAN:
      return "boolean";
    case ids.TINYINT:
    case ids.SMALLINT:
    case ids.INTEGER:
    case ids.BIGINT:
    case ids.UTINYINT:
    case ids.USMALLINT:
    case ids.UINTEGER:
    case ids.HUGEINT:
      return "int64";
    case ids.UBIGINT:
    case ids.UHUGEINT:
      return "uint64";
    case ids.FLOAT:
    case ids.DOUBLE:
    case ids.DECIMAL:
      return "float64";
    case ids.TIMESTAMP:
    case ids.TIMESTAMP_S:
    case ids.TIMESTAMP_MS:
    case ids.TIMESTAMP_NS:
    case ids.TIMESTAMP_TZ:
      return "timestamp";
    default:
      return "utf8";
  }
}

interface Planned {
  readonly statement: DuckDBPreparedStatement;
  readonly text: string;
  readonly columns: readonly StreamColumn[];
}

/** Exported for the store, which waits for the end of streams that it closes. */
export class ResultStream implements SqlStream {
  readonly columns: readonly StreamColumn[];
  /** Resolves when the connection is closed. */
  readonly ended: Promise<void>;
  readonly #duckDb: DuckDb;
  readonly #connection: DuckDBConnection;
  readonly #planned: Planned;
  readonly #end = Promise.withResolvers<void>();
  #result: DuckDBResult | undefined;
  #isReading = false;
  #isClosed = false;
  #isComplete = false;

  constructor(duckDb: DuckDb, connection: DuckDBConnection, planned: Planned) {
    this.#duckDb = duckDb;
    this.#connection = connection;
    this.#planned = planned;
    this.columns = planned.columns;
    this.ended = this.#end.promise;
  }

  async *batches(): AsyncGenerator<SqlBatch, void, undefined> {
    try {
      while (!this.#isClosed && !this.#isComplete) {
        this.#isReading = true;
        const batch = await this.#nextBatch().finally(() => {
          this.#isReading = false;
        });
        if (batch.rowCount > 0 && !this.#isClosed) yield batch;
      }
    } catch (error) {
      if (!this.#isClosed) throw refusalOf(error);
    } finally {
      this.close();
    }
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    void this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    // A statement that was sent off and has not begun to run does not take an interrupt.
    while (this.#isReading) {
      this.#connection.interrupt();
      await sleep(interruptEveryMs);
    }
    // A result that was not read to its end would keep its snapshot and its buffer until it is garbage.
    await this.#connection.run("ROLLBACK").catch(() => undefined);
    this.#connection.closeSync();
    this.#end.resolve();
  }

  async #nextBatch(): Promise<SqlBatch> {
    const columns: SqlCell[][] = this.columns.map(() => []);
    let rowCount = 0;
    this.#result ??= await this.#planned.statement.stream();
    while (rowCount < maxBatchRows && !this.#isClosed) {
      const chunk = await this.#result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) {
        this.#isComplete = true;
        if (!this.#isClosed) await this.#confirm();
        break;
      }
      rowCount += chunk.rowCount;
      for (const [at, cells] of columns.entries()) {
        const vector = chunk.getColumnVector(at);
        const type = this.columns[at]?.type ?? "utf8";
        for (let row = 0; row < chunk.rowCount; row += 1) {
          cells.push(cellOf(this.#duckDb, vector.getItem(row), type));
        }
      }
    }
    return { rowCount, columns };
  }

  /**
   * A statement that fails between two chunks looks as if it had ended: the binding has no error for it. What
   * tells is its transaction, which takes no other statement then, and running it again without its rows says why.
   */
  async #confirm(): Promise<void> {
    try {
      await this.#connection.run("SELECT 1");
      return;
    } catch {
      await this.#connection.run("ROLLBACK").catch(() => undefined);
    }
    await this.#connection.run(`EXPLAIN ANALYZE ${this.#planned.text}`);
    throw new SqlRefusal("Execution error: the query failed while it was read", "execution");
  }
}

function cellOf(duckDb: DuckDb, value: DuckDBValue, type: StreamColumn["type"]): SqlCell {
  if (value === null) return null;
  switch (type) {
    case "timestamp":
      return int64(nanosecondsOf(duckDb, value));
    case "int64":
      return typeof value === "bigint" ? int64(value) : BigInt(Number(value));
    case "float64":
      return value instanceof duckDb.DuckDBDecimalValue ? value.toDouble() : Number(value);
    default:
      return typeof value === "object" ? String(value) : value;
  }
}

function nanosecondsOf(duckDb: DuckDb, value: DuckDBValue): bigint {
  if (value instanceof duckDb.DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof duckDb.DuckDBTimestampValue) return value.micros * 1000n;
  if (value instanceof duckDb.DuckDBTimestampTZValue) return value.micros * 1000n;
  if (value instanceof duckDb.DuckDBTimestampMillisecondsValue) return value.millis * 1_000_000n;
  if (value instanceof duckDb.DuckDBTimestampSecondsValue) return value.seconds * 1_000_000_000n;
  throw new SqlRefusal(`Arrow error: Cast error: ${String(value)} is no time`, "execution");
}

/** DuckDB sums integers in 128 bits. DataFusion has 64, and lets them wrap around: this is refused rather than wrong. */
function int64(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw new SqlRefusal(`Arrow error: Arithmetic overflow: ${value} does not fit 64 bits`, "execution");
}
