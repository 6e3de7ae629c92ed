import type { ColumnType, Schema, TableColumn } from "../telemetry/column-types.ts";
import { fit, type MovedColumn } from "../telemetry/fit.ts";
import { encodeLine, isWritableField, isWritableTag } from "../telemetry/line-protocol.ts";
import type { Point } from "../telemetry/point.ts";
import type { DestinationSchema } from "./schema-keeper.ts";

/** What found no column, of rows of one table. */
export interface LeftOutFields {
  readonly table: string;
  readonly names: readonly string[];
}

/** What of a row of ours is not where its name says. */
export interface MovedFrom extends MovedColumn {
  readonly table: string;
}

/** The rows of one message as lines. */
export interface FittedLines {
  readonly lines: readonly string[];
  /** Columns in the lines whose types the database has not confirmed: what a refusal may be about. */
  readonly unconfirmed: readonly TableColumn[];
  readonly leftOut: readonly LeftOutFields[];
  readonly moved: readonly MovedFrom[];
}

/**
 * Rows → lines that fit the columns of a database. `mayClaim`: what the rows need and nobody has is claimed
 * for all that are prepared after them; else they make do for themselves, and nobody follows them.
 */
export function fittedLines(
  rows: readonly Point[],
  columns: DestinationSchema,
  mayClaim: boolean,
): FittedLines {
  const schema = mayClaim ? columns : apart(columns);
  const lines: string[] = [];
  const unconfirmed: TableColumn[] = [];
  const leftOut: LeftOutFields[] = [];
  const moved: MovedFrom[] = [];
  for (const row of rows) {
    const fitted = fit(row, schema);
    for (const column of fitted.moved) moved.push({ table: row.table, ...column });
    if (fitted.leftOut.length > 0) leftOut.push({ table: row.table, names: fitted.leftOut });
    const line = encodeLine(fitted.point);
    if (line === undefined) continue;
    lines.push(line);
    addUnconfirmed(unconfirmed, fitted.point, columns);
  }
  return { lines, unconfirmed, leftOut, moved };
}

/** The same columns; what is claimed in them stays in them. */
function apart(columns: Schema): Schema {
  const tables = new Map<string, Map<string, ColumnType>>();
  return {
    columnsOf(table) {
      const own = tables.get(table) ?? new Map(columns.columnsOf(table));
      tables.set(table, own);
      return own;
    },
  };
}

/** Only what the line has: the encoder leaves out what cannot be written. */
function addUnconfirmed(
  found: TableColumn[],
  { table, tags, fields }: Point,
  columns: DestinationSchema,
): void {
  for (const tag of tags) {
    if (columns.isConfirmed(table, tag.name) || !isWritableTag(tag)) continue;
    found.push({ table, column: tag.name, type: "tag" });
  }
  for (const field of fields) {
    if (columns.isConfirmed(table, field.name) || !isWritableField(field)) continue;
    found.push({ table, column: field.name, type: field.type });
  }
}
