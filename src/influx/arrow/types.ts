/** The types of Schema.fbs (Arrow format 1.5) as arrow-js's types with their layouts, each parameter checked. */
import {
  Binary,
  BinaryView,
  Bool,
  Date_,
  DateUnit,
  Decimal,
  Duration,
  type Field,
  FixedSizeBinary,
  FixedSizeList,
  Float,
  Int,
  Interval,
  IntervalUnit,
  LargeBinary,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  Precision,
  Struct,
  Time,
  TimeUnit,
  Timestamp,
  Union,
  UnionMode,
  Utf8,
  Utf8View,
} from "apache-arrow";
import { badStream, unsupportedType } from "./faults.ts";
import type { FlatTable } from "./flatbuffer.ts";
import type { ArrayKind, Layout } from "./layout.ts";

/** A field of the schema: arrow-js's, and how its values lie. */
export interface Column {
  readonly field: Field;
  readonly layout: Layout;
}

/** What a type is made from; `place` names the field in faults. */
interface Wire {
  readonly place: string;
  readonly table: FlatTable;
  readonly children: readonly Column[];
}

/** By the number of the type in the union `Type` of Schema.fbs. */
const readers: readonly (((wire: Wire) => Layout) | string)[] = [
  ({ place }) => {
    throw badStream(`${place} has no type`);
  },
  () => ({ kind: "null", type: new Null() }),
  readInt,
  ({ place, table }) =>
    fixed(new Float(known(place, table.int16(0), [Precision.HALF, Precision.SINGLE, Precision.DOUBLE]))),
  () => ({ kind: "bytes", type: new Binary(), wide: false, text: false }),
  () => ({ kind: "bytes", type: new Utf8(), wide: false, text: true }),
  () => ({ kind: "bits", type: new Bool() }),
  readDecimal,
  ({ place, table }) =>
    fixed(new Date_(known(place, table.int16(0, 1), [DateUnit.DAY, DateUnit.MILLISECOND]))),
  readTime,
  ({ place, table }) => fixed(new Timestamp(timeUnit(place, table.int16(0)), table.text(1)), BigInt64Array),
  readInterval,
  ({ children: [child], place }) => listOf(required(place, child), false),
  ({ children }) => ({ kind: "struct", type: new Struct(fieldsOf(children)), children: layoutsOf(children) }),
  readUnion,
  readFixedSizeBinary,
  readFixedSizeList,
  readMap,
  ({ place, table }) => fixed(new Duration(timeUnit(place, table.int16(0, 1)))),
  () => ({ kind: "bytes", type: new LargeBinary(), wide: true, text: false }),
  () => ({ kind: "bytes", type: new LargeUtf8(), wide: true, text: true }),
  ({ children: [child], place }) => listOf(required(place, child), true),
  "RunEndEncoded",
  () => ({ kind: "views", type: new BinaryView(), text: false }),
  () => ({ kind: "views", type: new Utf8View(), text: true }),
  "ListView",
  "LargeListView",
];

/** How many children a type has; none unless it stands here. */
const childCounts: Readonly<Record<number, number>> = { 12: 1, 16: 1, 17: 1, 21: 1 };
const anyCount: ReadonlySet<number> = new Set([13, 14]);

export function readType(typeNumber: number, wire: Wire): Layout {
  const reader = readers[typeNumber];
  if (reader === undefined) throw unsupportedType(wire.place, `number ${typeNumber}`);
  if (typeof reader === "string") throw unsupportedType(wire.place, reader);
  if (!anyCount.has(typeNumber) && wire.children.length !== (childCounts[typeNumber] ?? 0)) {
    throw badStream(`${wire.place} has ${wire.children.length} children, which its type does not have`);
  }
  return reader(wire);
}

function known<T extends number>(place: string, value: number, allowed: readonly T[]): T {
  const found = allowed.find((each) => each === value);
  if (found === undefined) throw badStream(`${place} has a type with the unknown parameter ${value}`);
  return found;
}

function timeUnit(place: string, unit: number): TimeUnit {
  return known(place, unit, [
    TimeUnit.SECOND,
    TimeUnit.MILLISECOND,
    TimeUnit.MICROSECOND,
    TimeUnit.NANOSECOND,
  ]);
}

function required(place: string, child: Column | undefined): Column {
  if (child === undefined) throw badStream(`${place} lacks the type of its values`);
  return child;
}

function fieldsOf(children: readonly Column[]): Field[] {
  return children.map(({ field }) => field);
}

function layoutsOf(children: readonly Column[]): Layout[] {
  return children.map(({ layout }) => layout);
}

function fixed(type: Layout["type"], array: ArrayKind = type.ArrayType as ArrayKind, perValue = 1): Layout {
  return { kind: "fixed", type, array, perValue };
}

export function readInt({ place, table }: Pick<Wire, "place" | "table">): Extract<Layout, { kind: "fixed" }> {
  const bitWidth = table.int32(0);
  if (bitWidth !== 8 && bitWidth !== 16 && bitWidth !== 32 && bitWidth !== 64) {
    throw badStream(`${place} has integers of ${bitWidth} bits`);
  }
  const type = new Int(table.bool(1), bitWidth);
  return { kind: "fixed", type, array: type.ArrayType, perValue: 1 };
}

function readDecimal({ place, table }: Wire): Layout {
  const bitWidth = known(place, table.int32(2, 128), [32, 64, 128, 256]);
  const precision = table.int32(0);
  const mostDigits = Math.floor((bitWidth - 1) * Math.log10(2));
  if (precision < 1 || precision > mostDigits)
    throw badStream(`${place} has decimals of ${precision} digits`);
  return fixed(new Decimal(table.int32(1), precision, bitWidth), Uint32Array, bitWidth / 32);
}

function readTime({ place, table }: Wire): Layout {
  const unit = timeUnit(place, table.int16(0, 1));
  const bitWidth = unit === TimeUnit.SECOND || unit === TimeUnit.MILLISECOND ? 32 : 64;
  return fixed(new Time(unit, known(place, table.int32(1, 32), [bitWidth])));
}

function readInterval({ place, table }: Wire): Layout {
  const { YEAR_MONTH, DAY_TIME, MONTH_DAY_NANO } = IntervalUnit;
  const unit = known(place, table.int16(0), [YEAR_MONTH, DAY_TIME, MONTH_DAY_NANO]);
  // Months; days and milliseconds; months, days and 64 bits of nanoseconds: all of them in pieces of 32 bits.
  return fixed(new Interval(unit), Int32Array, [1, 2, 4][unit]);
}

function listOf(child: Column, wide: boolean): Layout {
  return {
    kind: "list",
    type: wide ? new LargeList(child.field) : new List(child.field),
    wide,
    child: child.layout,
  };
}

function readUnion({ place, table, children }: Wire): Layout {
  const mode = known(place, table.int16(0), [UnionMode.Sparse, UnionMode.Dense]);
  const typeIds = table.has(1) ? table.int32s(1) : children.map((_, index) => index);
  if (typeIds.length !== children.length || new Set(typeIds).size !== typeIds.length) {
    throw badStream(`${place} is a union whose type ids do not fit its ${children.length} children`);
  }
  if (typeIds.some((id) => id < 0 || id > 127))
    throw badStream(`${place} is a union with a type id outside of 0–127`);
  const type = new Union(mode, typeIds, fieldsOf(children));
  return { kind: "union", type, dense: mode === UnionMode.Dense, typeIds, children: layoutsOf(children) };
}

function readFixedSizeBinary({ place, table }: Wire): Layout {
  const byteWidth = table.int32(0);
  if (byteWidth < 0) throw badStream(`${place} has values of ${byteWidth} bytes`);
  return fixed(new FixedSizeBinary(byteWidth), Uint8Array, byteWidth);
}

function readFixedSizeList({ place, table, children: [first] }: Wire): Layout {
  const size = table.int32(0);
  const child = required(place, first);
  if (size < 0) throw badStream(`${place} has lists of ${size} values`);
  return { kind: "fixed_list", type: new FixedSizeList(size, child.field), size, child: child.layout };
}

function readMap({ place, table, children: [first] }: Wire): Layout {
  const { field, layout } = required(place, first);
  if (layout.kind !== "struct" || layout.children.length !== 2) {
    throw badStream(`${place} is a map whose entries are not pairs`);
  }
  return { kind: "list", type: new Map_(field, table.bool(0)), wide: false, child: layout };
}
