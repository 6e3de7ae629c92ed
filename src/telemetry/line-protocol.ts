/**
 * `Point` → one line of line protocol, without its newline, that InfluxDB 3 and InfluxDB 1.x read as the
 * same point:
 *
 *     table,tag=value,tag=value float=1.5,integer=3i,text="a \"b\"",flag=true 1700000000000000000
 *
 * What cannot be written is changed or left out by these rules, and by no others:
 * - names, tag values and strings as in `names.ts`; a `#` at the start of a table name goes (a comment);
 * - a tag without a name or with a blank value is left out, as is a field without a name;
 * - a column that is there already (tags before fields, first come first served) or is called `time` is
 *   left out: InfluxDB refuses a line that has one twice;
 * - a float that is not finite, and an integer that is not one or is outside ±(2^53 − 1), is left out:
 *   written as a float it would claim the column for another type;
 * - no field, no table name, or a time outside an i64: no line.
 *
 * Tags stay in the order given. A negative zero becomes 0.
 */
import { cleanName, cleanString, cleanTagValue, isPlain } from "./names.ts";
import type { Field, Point, Tag } from "./point.ts";

/** 1.x keeps the outermost values of an i64 for itself. */
const maxTimeNs = 9_223_372_036_854_775_806n;

/** Replacement: a backslash and what was found. */
const escaped = String.raw`\$&`;
const keySpecial = /[,= ]/g;
/** An equals sign is plain in a table name: `\=` would be read as two characters. */
const tableSpecial = /[, ]/g;
const stringSpecial = /["\\]/g;
const needsQuoteEscape = /["\\]/;

/** `undefined` when nothing is left to write. */
export function encodeLine(point: Point): string | undefined {
  if (point.timeNs > maxTimeNs || point.timeNs < -maxTimeNs) return undefined;
  let line = writeTable(point.table);
  if (line === "") return undefined;
  const columns = new Set<string>().add("time");
  for (const tag of point.tags) {
    const name = writeName(tag.name);
    const value = writeTagValue(tag.value);
    if (name === "" || value === "" || !claim(columns, name)) continue;
    line += `,${name}=${value}`;
  }
  let separator = " ";
  for (const field of point.fields) {
    const name = writeName(field.name);
    const value = writeValue(field);
    if (name === "" || value === undefined || !claim(columns, name)) continue;
    line += `${separator}${name}=${value}`;
    separator = ",";
  }
  return separator === " " ? undefined : `${line} ${point.timeNs}`;
}

/** Whether a line would have the tag, its column being free. */
export function isWritableTag(tag: Tag): boolean {
  return writeName(tag.name) !== "" && writeTagValue(tag.value) !== "";
}

/** Whether a line would have the field, its column being free. */
export function isWritableField(field: Field): boolean {
  return writeName(field.name) !== "" && isWritableValue(field);
}

/** False when the column is taken. */
function claim(columns: Set<string>, name: string): boolean {
  const before = columns.size;
  return columns.add(name).size > before;
}

/** "" when there is none. */
function writeTable(table: string): string {
  return isPlain(table) ? table : cleanName(table).replace(/^#+/, "").replaceAll(tableSpecial, escaped);
}

/** "" when there is none. */
function writeName(name: string): string {
  return isPlain(name) ? name : cleanName(name).replaceAll(keySpecial, escaped);
}

/** "" when it is blank. */
function writeTagValue(value: string): string {
  if (isPlain(value)) return value;
  const text = cleanTagValue(value);
  return text.trim() === "" ? "" : text.replaceAll(keySpecial, escaped);
}

function isWritableValue({ type, value }: Field): boolean {
  if (type === "integer") return Number.isSafeInteger(value);
  return type !== "float" || Number.isFinite(value);
}

function writeValue(field: Field): string | undefined {
  if (!isWritableValue(field)) return undefined;
  if (field.type === "boolean") return field.value ? "true" : "false";
  if (field.type === "string") return quote(cleanString(field.value));
  // JavaScript's shortest form (1.5, 1e+21, 5e-324) is in both grammars, and never ends in an i.
  return field.type === "integer" ? `${field.value}i` : String(field.value);
}

/** Inside quotes both parsers know two escapes, `\"` and `\\`; newlines stand for themselves. */
function quote(text: string): string {
  return needsQuoteEscape.test(text) ? `"${text.replaceAll(stringSpecial, escaped)}"` : `"${text}"`;
}
