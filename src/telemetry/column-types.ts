/**
 * The types of a table's columns, as InfluxDB has them and as we are about to make them. Whoever writes a
 * column first fixes its type for good, so InfluxDB's own schema is the authority; what it does not have yet
 * is *claimed* by the first value that we prepare for it, so that two values of different types prepared one
 * after the other do not meet in one batch.
 */
export type ColumnType = "tag" | "float" | "integer" | "unsigned" | "string" | "boolean" | "time" | "other";

/** One column of a database. */
export interface TableColumn {
  readonly table: string;
  readonly column: string;
  readonly type: ColumnType;
}

/** What telemetry needs to know of a database. */
export interface Schema {
  /** Of a table, by column: read and claimed in place. Empty for a table that nobody has written yet. */
  columnsOf(table: string): Map<string, ColumnType>;
}
