/**
 * Whole tables as InfluxDB has them, to be compared with what a test has written down: the type of every
 * column, and every cell that is not null. Only InfluxDB's own HTTP interface is used.
 */
import { queryRows, tableNames } from "../../src/sandbox/influx-reader.ts";
import type { Database, Row } from "../../src/sandbox/influx-reader.ts";

export type { Row };

export type ColumnKind = "time" | "tag" | "string" | "float" | "integer" | "boolean" | "unsigned";

export interface Table {
  readonly columns: Readonly<Record<string, ColumnKind>>;
  /** By time, then by their cells. */
  readonly rows: readonly Row[];
}

export type Tables = Readonly<Record<string, Table>>;

const kinds: Readonly<Record<string, ColumnKind>> = {
  "Dictionary(Int32, Utf8)": "tag",
  Utf8: "string",
  Float64: "float",
  Int64: "integer",
  UInt64: "unsigned",
  Boolean: "boolean",
  "Timestamp(Nanosecond, None)": "time",
};

/** Every table that holds data. */
export async function readTables(db: Database): Promise<Tables> {
  const tables: Record<string, Table> = {};
  for (const name of [...(await tableNames(db))].toSorted()) tables[name] = await readTable(db, name);
  return tables;
}

async function readTable(db: Database, name: string): Promise<Table> {
  const columns: Record<string, ColumnKind> = {};
  const described =
    "SELECT column_name, data_type FROM information_schema.columns " +
    `WHERE table_schema = 'iox' AND table_name = '${name}'`;
  for await (const { column_name: column, data_type: type } of queryRows(db, described)) {
    const kind = kinds[String(type)];
    if (kind === undefined) throw new Error(`${name}.${String(column)} is of the type ${String(type)}`);
    columns[String(column)] = kind;
  }
  const rows: Row[] = [];
  for await (const row of queryRows(db, `SELECT * FROM "${name}"`)) rows.push(withoutNulls(row));
  return { columns, rows: sorted(rows) };
}

function withoutNulls(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([, cell]) => cell !== null));
}

function sorted(rows: readonly Row[]): Row[] {
  const keyed = rows.map((row) => ({ row, key: JSON.stringify([row["time"], ...orderedCells(row)]) }));
  return keyed.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row);
}

function orderedCells(row: Row): [string, unknown][] {
  return Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** A row as a test writes it, some cells to a line. */
export function row(...parts: readonly Row[]): Row {
  return Object.assign({}, ...parts) as Row;
}

/** A table as a test writes it: names of columns by kind, separated by spaces. `time` is in every table. */
export function table(columns: Partial<Record<ColumnKind, string>>, rows: readonly Row[]): Table {
  const named: Record<string, ColumnKind> = { time: "time" };
  for (const [kind, names] of Object.entries(columns)) {
    for (const name of names.split(" ")) named[name] = kind as ColumnKind;
  }
  return { columns: named, rows: sorted(rows) };
}

/** Each row changed, and sorted anew. */
export function mapRows(tables: Tables, change: (row: Row) => Row): Tables {
  return Object.fromEntries(
    Object.entries(tables).map(([name, { columns, rows }]) => [
      name,
      { columns, rows: sorted(rows.map((row) => change(row))) },
    ]),
  );
}
