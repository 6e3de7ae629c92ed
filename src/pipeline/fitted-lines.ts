import type { ColumnType, Schema, TableColumn } from "../telemetry/column-types.ts";
import { fit, type MovedColumn } from "../telemetry/fit.ts";
import { encodeLine, isWritableField, isWritableTag } from "../telemetry/line-protocol.ts";
import type { Point } from "../telemetry/point.ts";
import type { ReadyLine } from "./ready.ts";
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
  readonly lines: readonly ReadyLine[];
  readonly leftOut: readonly LeftOutFields[];
  readonly moved: readonly MovedFrom[];
}

/**
 * Rows → lines that fit the columns of a database. `mayClaim`: what the rows of a table need and nobody has is
 * claimed for all that are prepared after them; else they make do for themselves, and nobody follows them. Rows in
 * `finished` are done with, and claim nothing either.
 */
export function fittedLines(
  rows: readonly Point[],
  columns: DestinationSchema,
  mayClaim: (table: string) => boolean,
  finished?: ReadonlySet<number>,
): FittedLines {
  const own = apart(columns);
  const lines: ReadyLine[] = [];
  const leftOut: LeftOutFields[] = [];
  const moved: MovedFrom[] = [];
  for (const [index, row] of rows.entries()) {
    if (finished?.has(index) === true) continue;
    const { table } = row;
    const hasClaimed = mayClaim(table);
    const fitted = fit(row, hasClaimed ? columns : own);
    for (const column of fitted.moved) moved.push({ table, ...column });
    if (fitted.leftOut.length > 0) leftOut.push({ table, names: fitted.leftOut });
    const text = encodeLine(fitted.point);
    if (text === undefined) continue;
    const unconfirmed = unconfirmedIn(fitted.point, columns);
    lines.push({ row: index, table, text, unconfirmed, hasClaimed });
  }
  return { lines, leftOut, moved };
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

/** What nearly every line has. */
const none: readonly TableColumn[] = [];

/** Only what the line has: the encoder leaves out what cannot be written. */
function unconfirmedIn({ table, tags, fields }: Point, columns: DestinationSchema): readonly TableColumn[] {
  const found: TableColumn[] = [];
  for (const tag of tags) {
    if (columns.isConfirmed(table, tag.name) || !isWritableTag(tag)) continue;
    found.push({ table, column: tag.name, type: "tag" });
  }
  for (const field of fields) {
    if (columns.isConfirmed(table, field.name) || !isWritableField(field)) continue;
    found.push({ table, column: field.name, type: field.type });
  }
  return found.length === 0 ? none : found;
}
