/** The formats of query_sql, as InfluxDB 3 prints them through Arrow's writers. Pure. */
import type { SqlResult, StreamColumn } from "./sql-stream.ts";
import type { SqlCell } from "./sql.ts";

export type QueryFormat = "json" | "json_lines" | "csv" | "pretty";

const formatNames: ReadonlyMap<string, QueryFormat> = new Map([
  ["json", "json"],
  ["json_lines", "json_lines"],
  ["jsonl", "json_lines"],
  ["csv", "csv"],
  ["pretty", "pretty"],
]);

export function formatNamed(name: string): QueryFormat | undefined {
  return formatNames.get(name);
}

/** For the Accept header of a request that names no format; undefined when it is not served. */
export function formatForAccept(accept: string | undefined): QueryFormat | undefined {
  if (accept === undefined || accept === "application/json") return "json";
  if (accept === "text/csv") return "csv";
  if (accept === "text/plain") return "pretty";
  return accept.includes("*/*") || accept.includes("text/html") ? "json" : undefined;
}

export const contentTypes: Readonly<Record<QueryFormat, string>> = {
  json: "application/json",
  json_lines: "application/jsonl",
  csv: "text/csv",
  pretty: "text/plain; charset=utf-8",
};

export function printResult(result: SqlResult, format: QueryFormat): string {
  return printers[format](result);
}

const printers: Readonly<Record<QueryFormat, (result: SqlResult) => string>> = {
  json: (result) => `[${jsonRows(result).join(",")}]`,
  json_lines: (result) => lines(jsonRows(result)),
  csv: (result) => lines([namesOf(result), ...textRows(result)].map((cells) => cells.map(csvCell).join(","))),
  pretty: table,
};

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}

function namesOf(result: SqlResult): string[] {
  return result.columns.map((column) => column.name);
}

/** Null columns are left out. */
function jsonRows({ columns, rows }: SqlResult): string[] {
  return rows.map((row) => {
    const members = columns.flatMap((column, at) => {
      const cell = row[at] ?? null;
      return cell === null ? [] : [`${JSON.stringify(column.name)}:${jsonCell(cell, column)}`];
    });
    return `{${members.join(",")}}`;
  });
}

function jsonCell(cell: SqlCell, column: StreamColumn): string {
  if (typeof cell === "number" && !Number.isFinite(cell)) return "null";
  const text = cellText(cell, column);
  return typeof cell === "string" || column.type === "timestamp" ? JSON.stringify(text) : text;
}

function textRows({ columns, rows }: SqlResult): string[][] {
  return rows.map((row) => columns.map((column, at) => cellText(row[at] ?? null, column)));
}

function cellText(cell: SqlCell, column: StreamColumn): string {
  if (cell === null) return "";
  if (typeof cell === "bigint" && column.type === "timestamp") return isoNanoseconds(cell);
  // Arrow writes a whole float with its point.
  if (
    typeof cell === "number" &&
    column.type === "float64" &&
    Number.isInteger(cell) &&
    Math.abs(cell) < 1e16
  ) {
    return cell.toFixed(1);
  }
  return String(cell);
}

/** `2026-11-22T08:00:00`, with 3, 6 or 9 digits of a fraction where there is one; UTC without a zone. */
export function isoNanoseconds(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (ns - fraction) / 1_000_000_000n;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, -".000Z".length);
  if (fraction === 0n) return whole;
  const digits = fraction.toString().padStart(9, "0");
  return `${whole}.${digits.replace(/^(\d{3}|\d{6})0+$/, "$1")}`;
}

function csvCell(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function table(result: SqlResult): string {
  const rows = [namesOf(result), ...textRows(result)];
  const widths = result.columns.map((_column, at) =>
    rows.reduce((widest, row) => Math.max(widest, row[at]?.length ?? 0), 0),
  );
  const rule = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const [head, ...body] = rows.map(
    (row) => `| ${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join(" | ")} |`,
  );
  return [rule, head ?? "", rule, ...body, ...(body.length > 0 ? [rule] : [])].join("\n");
}
