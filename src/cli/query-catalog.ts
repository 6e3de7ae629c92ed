/**
 * `--tables` and `--schema` by what the server says of its tables (Flight SQL's GetTables): the types of columns as they
 * are stored, and what InfluxDB calls them.
 */
import { Fault } from "../lib/fault.ts";
import { defined } from "../lib/schema.ts";
import type { FlightSql, TableInfo } from "../influx/flight/flight-sql-api.ts";
import type { Row } from "../influx/arrow/rows.ts";
import type { Column } from "../influx/flight/api.ts";
import type { Asked } from "./query-arguments.ts";
import { columnRows, type Rows, rowsAsBatches } from "./query-reading.ts";

/** Of InfluxDB's three schemas the one that points are written to. */
const userSchema = "iox";

/**
 * Undefined: a query has to answer. The server has no Flight SQL, or does not know the table, which it then says in its own
 * words; or an Arrow stream is wanted, whose schema is the answer.
 */
export async function catalogRows(
  asked: Asked,
  sql: Pick<FlightSql, "tables">,
  signal: AbortSignal,
): Promise<Rows | undefined> {
  const { what, schema: table, format, database, timeoutMs } = asked;
  if (what === "query" || format === "arrow") return undefined;
  const tablePattern = table === undefined ? undefined : patternOf(table);
  const filter = { schemaPattern: userSchema, includeSchema: true, ...defined({ tablePattern }) };
  const options = { signal, ...defined({ database, timeoutMs }) };
  let tables: readonly TableInfo[];
  try {
    tables = await sql.tables(filter, options).list();
  } catch (error) {
    if (error instanceof Fault && error.code === "flight_unsupported") return undefined;
    throw error;
  }
  if (table === undefined) return tableRows(tables);
  const columns = tables.find(({ name }) => name === table)?.columns;
  return columns && columnRows(columns);
}

/** One that the table matches. How a server takes a backslash in a pattern is its own affair. */
function patternOf(table: string): string {
  return table.replaceAll("\\", "_");
}

function tableRows(tables: readonly TableInfo[]): Rows {
  const rows: Row[] = tables
    .map(({ name, columns }) => ({ table: name, columns: BigInt(columns?.length ?? 0) }))
    .toSorted((one, other) => Buffer.compare(Buffer.from(one.table), Buffer.from(other.table)));
  const column = (name: string, arrowType: string): Column => ({
    name,
    arrowType,
    nullable: false,
    influx: undefined,
  });
  return { columns: [column("table", "Utf8"), column("columns", "Int64")], batches: rowsAsBatches(rows) };
}
