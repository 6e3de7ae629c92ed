/**
 * One write against the catalog: the points of the lines that it takes, and the server's complaint about
 * each of the others. Synchronous, so that concurrent writes see each other's columns in whole.
 *
 * A refused line leaves nothing behind, neither columns nor tags (InfluxDB 3 from 3.11.2 on; before, it
 * could). With `acceptPartial` false the first bad line refuses the whole write.
 */
import type { Catalog, Database, Table } from "./catalog.ts";
import { CatalogRefusal } from "./catalog.ts";
import type { LineResult } from "./line-protocol.ts";
import { parseLineProtocol } from "./line-protocol.ts";
import type { Field, ParsedPoint, Tag } from "./point.ts";
import type { Precision } from "./precision.ts";

/** What the server keeps of a refused line in its answer. */
const originalLineMaxBytes = 20;

export interface IngestOptions {
  readonly acceptPartial: boolean;
  readonly precision: Precision;
  readonly nowNs: bigint;
  /** A fault that was planted: the complaint about a line that could be taken. */
  readonly refuseLine?: ((line: string) => string | undefined) | undefined;
}

/** A point whose table and columns are in the catalog. */
export interface AcceptedPoint {
  readonly table: Table;
  readonly tags: readonly Tag[];
  readonly fields: readonly Field[];
  readonly timeNs: bigint;
}

/** As the answer shows it. */
export interface LineError {
  readonly error_message: string;
  readonly line_number: number;
  readonly original_line: string;
}

export interface Ingested {
  readonly points: readonly AcceptedPoint[];
  /** The accepted lines as they came. */
  readonly lines: readonly string[];
  readonly errors: readonly LineError[];
}

/**
 * Throws `CatalogRefusal` when the database is one too many. When `acceptPartial` is false and `errors` is
 * not empty, nothing was accepted.
 */
export function ingest(
  catalog: Catalog,
  databaseName: string,
  body: string,
  options: IngestOptions,
): Ingested {
  const start = catalog.mark();
  const database = catalog.databaseOrCreate(databaseName);
  const points: AcceptedPoint[] = [];
  const lines: string[] = [];
  const errors: LineError[] = [];
  const seenFields = new Set<string>();
  for (const result of parseLineProtocol(body, options)) {
    const outcome =
      "error" in result
        ? result.error
        : (options.refuseLine?.(result.text) ?? accept(catalog, database, result.point, seenFields));
    if (typeof outcome !== "string") {
      points.push(outcome);
      lines.push(result.text);
      continue;
    }
    errors.push(lineError(body, result, outcome));
    if (!options.acceptPartial) {
      catalog.undoTo(start);
      return { points: [], lines: [], errors };
    }
  }
  if (points.length === 0) catalog.undoTo(start);
  catalog.keep();
  return { points, lines, errors };
}

function accept(
  catalog: Catalog,
  database: Database,
  point: ParsedPoint,
  seenFields: Set<string>,
): AcceptedPoint | string {
  const mark = catalog.mark();
  try {
    const table = catalog.tableOrCreate(database, point.table);
    for (const tag of point.tags) catalog.columnOrCreate(table, tag.name, "tag");
    seenFields.clear();
    for (const field of point.fields) {
      catalog.columnOrCreate(table, field.name, field.type);
      if (seenFields.has(field.name)) {
        throw new CatalogRefusal(
          "schema",
          `invalid line protocol - multiple instances of '${field.name}' field found`,
        );
      }
      seenFields.add(field.name);
    }
    table.established = true;
    return { table, tags: point.tags, fields: point.fields, timeNs: point.timeNs };
  } catch (error) {
    if (!(error instanceof CatalogRefusal)) throw error;
    catalog.undoTo(mark);
    return error.message;
  }
}

/**
 * The server names a line that it could parse by its own rendering of it, and one that it could not by the
 * physical line of that number: blank lines before it make the two differ.
 */
function lineError(body: string, result: LineResult, message: string): LineError {
  const original =
    "error" in result ? physicalLine(body, result.lineNumber) : rendered(result.point, originalLineMaxBytes);
  return {
    error_message: message,
    line_number: result.lineNumber,
    original_line: firstBytes(original, originalLineMaxBytes),
  };
}

function physicalLine(body: string, lineNumber: number): string {
  let start = 0;
  for (let line = 1; line < lineNumber; line += 1) start = body.indexOf("\n", start) + 1;
  const newline = body.indexOf("\n", start);
  return body.slice(start, newline < 0 ? undefined : newline).replace(/\r$/, "");
}

/** The beginning of a point as the server prints it: string fields without their quotes. */
function rendered(point: ParsedPoint, enoughBytes: number): string {
  let text = point.table.replaceAll(/[, ]/g, "\\$&");
  const protect = (name: string): string => name.replaceAll(/[,= ]/g, "\\$&");
  for (const tag of point.tags) text += `,${protect(tag.name)}=${protect(tag.value)}`;
  let separator = " ";
  for (const field of point.fields) {
    if (text.length > enoughBytes) break;
    text += `${separator}${protect(field.name)}=${fieldText(field)}`;
    separator = ",";
  }
  return text;
}

function fieldText(field: Field): string {
  if (field.type === "string") return field.value.replaceAll('"', '\\"');
  if (field.type === "integer") return `${field.value}i`;
  return field.type === "uinteger" ? `${field.value}u` : String(field.value);
}

/** At most `maxBytes` of UTF-8, without cutting a character. */
function firstBytes(text: string, maxBytes: number): string {
  let bytes = 0;
  let kept = "";
  for (const char of text.slice(0, maxBytes)) {
    bytes += Buffer.byteLength(char);
    if (bytes > maxBytes) break;
    kept += char;
  }
  return kept;
}
