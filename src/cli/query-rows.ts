/**
 * Rows as CSV, JSON and NDJSON, one after the other: nothing of an answer is held. Pure.
 *
 * No digit is lost: 64-bit integers are plain JSON numbers with all of their digits (a reader that makes
 * floats of them loses some), times are ISO text with nine digits. Binary values are base64. JSON has no
 * NaN and no Infinity: both are null there, and in CSV they stand as they are. JSON's -0 is -0.0, because
 * readers that tell integers from floats, as Python does, take "-0" for the integer 0.
 */
import type { Column } from "../influx/flight/api.ts";
import type { Row, Value } from "../influx/arrow/rows.ts";
import { harmless } from "./mapping-layout.ts";

export interface RowFormat {
  /** Before the first row. */
  readonly head: string;
  /** `isFirst`: of all rows. */
  readonly row: (row: Row, isFirst: boolean) => string;
  /** Behind the last row; `isEmpty`: there was none. */
  readonly tail: (isEmpty: boolean) => string;
}

/** `isScreen`: a person looks at it. No value may then move the cursor. */
export function rowFormat(
  format: "csv" | "json" | "ndjson",
  columns: readonly Column[],
  isScreen: boolean,
): RowFormat {
  const safe = isScreen ? harmless : (text: string): string => text;
  if (format === "csv") return csv(columns, safe);
  const object = jsonObject(columns);
  if (format === "ndjson") {
    return { head: "", row: (row) => `${safe(object(row))}\n`, tail: () => "" };
  }
  return {
    head: "[",
    row: (row, isFirst) => `${isFirst ? "" : ","}\n${safe(object(row))}`,
    tail: (isEmpty) => (isEmpty ? "]\n" : "\n]\n"),
  };
}

function jsonObject(columns: readonly Column[]): (row: Row) => string {
  const keys = columns.map(({ name }) => ({ name, key: `${JSON.stringify(name)}:` }));
  return (row) => `{${keys.map(({ name, key }) => key + jsonText(row[name] ?? null)).join(",")}}`;
}

/**
 * RFC 4180, but lines end in "\n". An empty text is `""`; null is nothing at all. Where there is one column
 * only, null is `""` too: Python's csv, pandas and R skip an empty line, and the row would be lost, while
 * none of them tells an empty text from null.
 */
function csv(columns: readonly Column[], safe: (text: string) => string): RowFormat {
  const names = columns.map(({ name }) => name);
  const [only] = names.length === 1 ? names : [];
  const line = (fields: readonly string[]): string =>
    only !== undefined && fields[0] === "" ? '""' : fields.join(",");
  return {
    head: `${line(names.map((name) => csvField(safe(name))))}\n`,
    row: (row) =>
      `${line(
        names.map((name) => {
          const value = row[name] ?? null;
          if (value === null) return "";
          return typeof value === "number" ? numberText(value) : csvField(safe(plainText(value)));
        }),
      )}\n`,
    tail: () => "",
  };
}

/** Spaces at an end would be lost on some readers. */
const toQuote = /[",\r\n]|^\s|\s$|^$/;

function csvField(text: string): string {
  return toQuote.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value that is not null in a cell of a table or of CSV. */
export function plainText(value: Exclude<Value, null>): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
      return numberText(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      return value instanceof Uint8Array ? base64(value) : jsonText(value);
  }
}

function jsonText(value: Value): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
      if (Object.is(value, -0)) return "-0.0";
      return Number.isFinite(value) ? String(value) : "null";
    case "bigint":
    case "boolean":
      return String(value);
    default:
      break;
  }
  if (value === null) return "null";
  if (value instanceof Uint8Array) return `"${base64(value)}"`;
  if (isList(value)) return `[${value.map(jsonText).join(",")}]`;
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${jsonText(member)}`,
  );
  return `{${members.join(",")}}`;
}

/** `Array.isArray` makes `any[]` of a readonly array. */
function isList(value: object): value is readonly Value[] {
  return Array.isArray(value);
}

function numberText(value: number): string {
  return Object.is(value, -0) ? "-0" : String(value);
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
}
