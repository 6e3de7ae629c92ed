/**
 * Fits a row to the columns that its table has, so that InfluxDB, which keeps the type that a column was
 * first written with, refuses none of it:
 *
 * - A column that is not there yet is claimed with our type; one of our type is taken as it is.
 * - An integer for a float column is written as a float.
 * - Everything else goes beside it: to `<name>_num` for numbers (always a float), `<name>_text`,
 *   `<name>_flag`, and `<name>_tag` for a tag whose name a field has; where that has another type too, to
 *   the first of `…_2` to `…_9` that has not. What none of them fits is left out. An integer for an unsigned
 *   column goes beside it whatever its sign: else the sign would decide where a measurement is found.
 * - `time` is nobody's column but InfluxDB's: what is called so goes beside it.
 * - Who fits by his own name goes first, so that a row never has a column twice.
 * - A payload's row makes no new column once its table has 200, tags and time among them: codecs can invent
 *   any number. Its tags it always gets: they are what tells rows apart.
 *
 * The names within a row differ (`freeName` saw to that). What the encoder would not write (not finite,
 * blank, a row without fields) claims nothing. Pure, except that it claims columns in the schema. Fitting a fitted
 * row changes nothing.
 */
import type { ColumnType, Schema } from "./column-types.ts";
import { isWritableField, isWritableTag } from "./line-protocol.ts";
import { cleanName } from "./names.ts";
import type { Field, Point, Tag } from "./point.ts";

export interface Fitted {
  readonly point: Point;
  /** Names of what found no column. */
  readonly leftOut: readonly string[];
}

const maxPayloadColumns = 200;
const lastSuffix = 9;
/** Leaves room for `_text_9` below the 512 of `cleanName`. */
const maxBaseLength = 500;

type Kind = Field["type"] | "tag";

/** The column beside one of another type. */
const beside = {
  float: { suffix: "num", type: "float" },
  integer: { suffix: "num", type: "float" },
  string: { suffix: "text", type: "string" },
  boolean: { suffix: "flag", type: "boolean" },
  tag: { suffix: "tag", type: "tag" },
} as const satisfies Record<Kind, { suffix: string; type: Kind }>;

const nothing: readonly string[] = [];

export function fit(point: Point, schema: Schema): Fitted {
  const columns = schema.columnsOf(point.table);
  return fitsAlready(point, columns) ? { point, leftOut: nothing } : adapt(point, columns);
}

/** Nearly every row after the first of its kind. */
function fitsAlready(point: Point, columns: ReadonlyMap<string, ColumnType>): boolean {
  for (const { name } of point.tags) if (columns.get(name) !== "tag") return false;
  for (const { name, type } of point.fields) if (columns.get(name) !== type) return false;
  return true;
}

/** A row on its way into a table. */
interface Row {
  readonly columns: Map<string, ColumnType>;
  readonly isPayload: boolean;
  /** What no column of the row may be called any more. */
  readonly taken: Set<string>;
}

interface Column {
  readonly name: string;
  readonly type: Kind;
}

/** "conflict": another type, or the row has it already. "full": it would be new, and there is no room. */
type Claim = Column | "conflict" | "full";

function adapt(point: Point, columns: Map<string, ColumnType>): Fitted {
  const row: Row = { columns, isPayload: point.isPayload === true, taken: new Set(["time"]) };
  const tags = point.tags.filter((tag) => isWritableTag(tag));
  const fields = point.fields.filter((field) => isWritableField(field));
  if (fields.length === 0) return { point, leftOut: nothing };
  const tagClaims = tags.map(({ name }) => claim(row, cleanName(name), "tag"));
  const fieldClaims = fields.map(({ name, type }) => claim(row, cleanName(name), type));

  const leftOut: string[] = [];
  const fittedTags: Tag[] = [];
  for (const [index, tag] of tags.entries()) {
    const column = settle(row, tag.name, "tag", tagClaims[index]);
    if (column === undefined) leftOut.push(tag.name);
    else fittedTags.push(column.name === tag.name ? tag : { name: column.name, value: tag.value });
  }
  const fittedFields: Field[] = [];
  for (const [index, field] of fields.entries()) {
    const column = settle(row, field.name, field.type, fieldClaims[index]);
    if (column === undefined) leftOut.push(field.name);
    else fittedFields.push(fieldOf(field, column));
  }
  return { point: { ...point, tags: fittedTags, fields: fittedFields }, leftOut };
}

function settle(row: Row, name: string, kind: Kind, own: Claim | undefined): Column | undefined {
  const found = own === undefined || own === "conflict" ? claimBeside(row, name, kind) : own;
  return typeof found === "string" ? undefined : found;
}

function claimBeside(row: Row, name: string, kind: Kind): Claim {
  const { suffix, type } = beside[kind];
  const base = `${cleanName(name, maxBaseLength)}_${suffix}`;
  let found = claim(row, base, type);
  for (let number = 2; found === "conflict" && number <= lastSuffix; number += 1) {
    found = claim(row, `${base}_${number}`, type);
  }
  return found;
}

function claim({ columns, isPayload, taken }: Row, name: string, kind: Kind): Claim {
  if (taken.has(name)) return "conflict";
  const type = columns.get(name);
  if (type === undefined) {
    if (isPayload && kind !== "tag" && isFull(columns)) return "full";
    columns.set(name, kind);
  } else if (type !== kind && !(kind === "integer" && type === "float")) return "conflict";
  taken.add(name);
  return { name, type: type === "float" ? "float" : kind };
}

/** InfluxDB lists `time` with the others; a table that is not there yet will have it. */
function isFull(columns: ReadonlyMap<string, ColumnType>): boolean {
  return columns.size + (columns.has("time") ? 0 : 1) >= maxPayloadColumns;
}

function fieldOf(field: Field, { name, type }: Column): Field {
  if (field.type === "integer" && type === "float") return { name, type, value: field.value };
  return name === field.name ? field : { ...field, name };
}
