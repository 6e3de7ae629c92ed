/** Rows in groups that are bounded in number and bytes. Pure. */
import type { Row, Value } from "../influx/arrow/rows.ts";
import type { Credit } from "./messages.ts";

/** A reference, a number, a bigint with its length: what a value takes at least. */
const cellBytes = 8;
const textUnitBytes = 2;

/** About what the row takes in memory and, at most, in a message; the names of the columns are in each row. */
export function sizeOf(row: Row): number {
  let bytes = cellBytes;
  for (const name in row) bytes += name.length + cellBytes + extraBytes(row[name]);
  return bytes;
}

function extraBytes(value: Value | undefined): number {
  if (typeof value === "string") return value.length * textUnitBytes;
  if (typeof value !== "object" || value === null) return cellBytes;
  if (value instanceof Uint8Array) return value.byteLength;
  if (!Array.isArray(value)) return sizeOf(value as Row);
  return value.reduce((sum: number, item: Value) => sum + cellBytes + extraBytes(item), 0);
}

export interface Group {
  /** Of the first row that is not in it. */
  readonly end: number;
  readonly bytes: number;
}

/** The rows from `start` on that fit into both limits, but one at least. */
export function nextGroup(
  rows: readonly Row[],
  start: number,
  { rows: maxRows, bytes: maxBytes }: Credit,
): Group {
  let bytes = 0;
  let end = start;
  for (const row of rows.slice(start, start + Math.max(1, maxRows))) {
    const rowBytes = sizeOf(row);
    if (end > start && bytes + rowBytes > maxBytes) break;
    bytes += rowBytes;
    end += 1;
  }
  return { end, bytes };
}
