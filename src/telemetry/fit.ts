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
 * - A field that a codec or a gateway has named (`Point.openFrom`) makes no new column once its table has 200,
 *   tags and time among them: InfluxDB 3 Core refuses whatever would make more than 500. Tags and our own columns
 *   are always made: they are few, and what tells rows apart.
 * - A row that may have such fields says in `fields_left_out` how many values found no column, beside those
 *   that found no room in the row before.
 *
 * The names within a row differ (`freeName` saw to that). What the encoder would not write (not finite,
 * blank, a row without fields) claims nothing. Pure, except that it claims columns in the schema. Fitting a fitted
 * row changes nothing.
 */
import type { ColumnType, Schema } from "./column-types.ts";
import { isWritableField, isWritableTag } from "./line-protocol.ts";
import { cleanName } from "./names.ts";
import { leftOutColumn } from "./own-columns.ts";
import type { Field, Point, Tag } from "./point.ts";
import { maxPayloadColumns } from "./table.ts";

export interface Fitted {
  readonly point: Point;
  /** Names of what found no column. */
  readonly leftOut: readonly string[];
  /** Tags and columns of ours that went beside theirs: whoever asks for them by name finds nothing. */
  readonly moved: readonly MovedColumn[];
}

export interface MovedColumn {
  readonly name: string;
  readonly isTag: boolean;
  /** What has the name. */
  readonly takenBy: ColumnType | undefined;
  /** Where it went. */
  readonly column: string;
}

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

const nothing = { leftOut: [], moved: [] } as const;

export function fit(point: Point, schema: Schema): Fitted {
  const columns = schema.columnsOf(point.table);
  return fitsAlready(point, columns) ? { point, ...nothing } : adapt(point, columns);
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
  const tags = point.tags.filter((tag) => isWritableTag(tag));
  const { ours, open, leftOutBefore } = partsOf(point);
  if (ours.length + open.length + leftOutBefore === 0) return { point, ...nothing };
  const row: Row = { columns, taken: new Set(["time"]) };
  const tagClaims = tags.map(({ name }) => claim(row, { name: cleanName(name), type: "tag" }, false));
  const ourClaims = claimOwnNames(row, ours, false);
  const openClaims = claimOwnNames(row, open, true);

  const leftOut: string[] = [];
  const moved: MovedColumn[] = [];
  const fittedTags: Tag[] = [];
  for (const [index, tag] of tags.entries()) {
    const column = settle(row, { name: tag.name, type: "tag" }, tagClaims[index], false);
    if (column === undefined) leftOut.push(tag.name);
    else fittedTags.push(column.name === tag.name ? tag : { name: column.name, value: tag.value });
    if (column !== undefined) addMoved(moved, columns, tag.name, column);
  }
  const fields = settleFields(row, ours, ourClaims, false, leftOut, moved);
  const openFields = settleFields(row, open, openClaims, true, leftOut);
  if (point.openFrom === undefined) return { point: { ...point, tags: fittedTags, fields }, leftOut, moved };

  const leftOutCount = leftOutBefore + leftOut.length;
  if (leftOutCount > 0) {
    const counted: Field[] = [{ name: leftOutColumn, type: "integer", value: leftOutCount }];
    fields.push(...settleFields(row, counted, claimOwnNames(row, counted, false), false, leftOut, moved));
  }
  const openFrom = fields.length;
  const fitted = { ...point, tags: fittedTags, fields: [...fields, ...openFields], openFrom };
  return { point: fitted, leftOut, moved };
}

interface Parts {
  /** Without `fields_left_out` where the row has open fields: its value is known last. */
  readonly ours: readonly Field[];
  readonly open: readonly Field[];
  readonly leftOutBefore: number;
}

/** What the encoder would write. */
function partsOf({ fields, openFrom }: Point): Parts {
  const isWritable = (field: Field): boolean => isWritableField(field);
  if (openFrom === undefined) return { ours: fields.filter(isWritable), open: [], leftOutBefore: 0 };
  const ours = fields.slice(0, openFrom).filter(isWritable);
  const isCount = (field: Field): boolean => field.name === leftOutColumn;
  const counted = ours.find(isCount);
  return {
    ours: ours.filter((field) => !isCount(field)),
    open: fields.slice(openFrom).filter(isWritable),
    leftOutBefore: counted?.type === "integer" ? counted.value : 0,
  };
}

function claimOwnNames(row: Row, fields: readonly Field[], isOpen: boolean): Claim[] {
  return fields.map(({ name, type }) => claim(row, { name: cleanName(name), type }, isOpen));
}

function settleFields(
  row: Row,
  fields: readonly Field[],
  claims: readonly Claim[],
  isOpen: boolean,
  leftOut: string[],
  moved?: MovedColumn[],
): Field[] {
  const fitted: Field[] = [];
  for (const [index, field] of fields.entries()) {
    const column = settle(row, field, claims[index], isOpen);
    if (column === undefined) leftOut.push(field.name);
    else {
      fitted.push(fieldOf(field, column));
      if (moved !== undefined) addMoved(moved, row.columns, field.name, column);
    }
  }
  return fitted;
}

function addMoved(
  moved: MovedColumn[],
  columns: ReadonlyMap<string, ColumnType>,
  name: string,
  { name: column, type }: Column,
): void {
  if (column === cleanName(name)) return;
  moved.push({ name, isTag: type === "tag", takenBy: columns.get(name), column });
}

function settle(row: Row, wanted: Column, own: Claim | undefined, isOpen: boolean): Column | undefined {
  const found = own === undefined || own === "conflict" ? claimBeside(row, wanted, isOpen) : own;
  return typeof found === "string" ? undefined : found;
}

function claimBeside(row: Row, wanted: Column, isOpen: boolean): Claim {
  const { type } = beside[wanted.type];
  const base = nameBeside(wanted.name, wanted.type);
  let found = claim(row, { name: base, type }, isOpen);
  for (let number = 2; found === "conflict" && number <= lastSuffix; number += 1) {
    found = claim(row, { name: `${base}_${number}`, type }, isOpen);
  }
  return found;
}

/** Where a value goes first when its column has another type. */
export function nameBeside(name: string, type: Kind): string {
  return `${cleanName(name, maxBaseLength)}_${beside[type].suffix}`;
}

function claim({ columns, taken }: Row, { name, type: kind }: Column, isOpen: boolean): Claim {
  if (taken.has(name)) return "conflict";
  const type = columns.get(name);
  if (type === undefined) {
    if (isOpen && isFull(columns)) return "full";
    columns.set(name, kind);
  } else if (type !== kind && !(kind === "integer" && type === "float")) return "conflict";
  taken.add(name);
  return { name, type: type === "float" ? "float" : kind };
}

/** InfluxDB lists `time` with the others; a table that is not there yet will have it. */
export function isFull(columns: ReadonlyMap<string, ColumnType>): boolean {
  return columns.size + (columns.has("time") ? 0 : 1) >= maxPayloadColumns;
}

function fieldOf(field: Field, { name, type }: Column): Field {
  if (field.type === "integer" && type === "float") return { name, type, value: field.value };
  return name === field.name ? field : { ...field, name };
}
