/** Answers of Flight SQL that are read as a list of things with names of ours. */
import { columnsOf } from "../arrow/columns.ts";
import { badStream } from "../arrow/faults.ts";
import type { Row, Value } from "../arrow/rows.ts";
import { readSchemaMessage } from "../arrow/schema-message.ts";
import { Fault } from "../../lib/fault.ts";
import { decoding, labelled } from "./faults.ts";
import type { ListStream, SqlInfo, TableInfo } from "./flight-sql-api.ts";
import type { ReadingDeps, ReadRequest } from "./reading.ts";
import { QueryStream } from "./stream.ts";

export class ListedStream<T> extends QueryStream implements ListStream<T> {
  readonly #itemOf: (row: Row) => T;

  /** `itemOf` throws a `Fault` for a row that is none. */
  constructor(request: ReadRequest, deps: ReadingDeps, itemOf: (row: Row) => T) {
    super(request, deps);
    this.#itemOf = itemOf;
  }

  async list(): Promise<readonly T[]> {
    const rows = await this.rows().collect();
    try {
      return rows.map((row) => decoding(() => this.#itemOf(row)));
    } catch (error) {
      throw error instanceof Fault ? labelled(error, this.requestId, 1) : error;
    }
  }
}

export function tableInfoOf(row: Row): TableInfo {
  const schema = row["table_schema"];
  if (schema !== undefined && !(schema instanceof Uint8Array)) throw misfit("table_schema");
  return {
    catalog: textOrNull(row, "catalog_name"),
    schema: textOrNull(row, "db_schema_name"),
    name: text(row, "table_name"),
    type: text(row, "table_type"),
    columns: schema && columnsOf(readSchemaMessage(schema)),
  };
}

export function sqlInfoOf(row: Row): SqlInfo {
  const { info_name: id, value } = row;
  if (typeof id !== "number") throw misfit("info_name");
  if (value === undefined) throw misfit("value");
  return { id, value };
}

function textOrNull(row: Row, column: string): string | undefined {
  const value: Value | undefined = row[column];
  if (value === null) return undefined;
  return text(row, column);
}

function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw misfit(column);
  return value;
}

function misfit(column: string): Fault {
  return badStream(`the column ${column} is not what Flight SQL says of it`);
}
