/**
 * The columns of a record batch, as the Arrow columnar format lays them out. A value is looked at when it is asked
 * for, and only then: what no row shows may be anything.
 */
import { invalid, strictText } from "./arrow-judge-flatbuffer.ts";
import type { JudgeField, JudgeType } from "./arrow-judge-schema.ts";
import { fixedValue, integerOf, widthOf, type JudgeValue, type Times } from "./arrow-judge-values.ts";

export interface JudgeColumn {
  readonly length: number;
  get(index: number): JudgeValue;
}

/** Nodes, buffers and counts of further buffers, in the order of the schema. */
export interface JudgeBody {
  node(): { readonly length: number; readonly nullCount: number };
  buffer(): DataView;
  furtherBuffers(): number;
}

export interface JudgeContext {
  readonly body: JudgeBody;
  readonly dictionaries: ReadonlyMap<bigint, JudgeColumn>;
  readonly times: Times;
  /** Before V5 of the metadata. */
  readonly unionsHaveValidity: boolean;
}

type Of<Kind extends JudgeType["kind"]> = Extract<JudgeType, { kind: Kind }>;

export function judgeColumn(type: JudgeType, context: JudgeContext): JudgeColumn {
  const node = context.body.node();
  // Neither a null column nor a union has a validity bitmap, so that their null counts say nothing.
  if (type.kind === "null") return { length: node.length, get: () => null };
  if (type.kind === "union") return judgeUnion(type, node.length, context);
  const isValid = validity(node, context.body.buffer());
  const value = valuesOf(type, node.length, context);
  return { length: node.length, get: (index) => (isValid(index) ? value(index) : null) };
}

function validity(
  { length, nullCount }: { readonly length: number; readonly nullCount: number },
  bits: DataView,
): (index: number) => boolean {
  if (bits.byteLength === 0) {
    if (nullCount !== 0) invalid("nulls and no bitmap");
    return () => true;
  }
  atLeast(bits, length / 8);
  const isValid = (index: number): boolean => bitAt(bits, index);
  let nulls = 0;
  for (let index = 0; index < length; index += 1) if (!isValid(index)) nulls += 1;
  if (nulls !== nullCount) invalid("another number of nulls than the node says");
  return isValid;
}

function bitAt(bits: DataView, index: number): boolean {
  return Math.floor(bits.getUint8(Math.floor(index / 8)) / 2 ** (index % 8)) % 2 === 1;
}

function valuesOf(type: JudgeType, length: number, context: JudgeContext): (index: number) => JudgeValue {
  const { body } = context;
  const width = widthOf(type);
  if (width !== undefined) {
    const values = atLeast(body.buffer(), length * width);
    return (index) => fixedValue(type, part(values, index * width, width), context.times);
  }
  switch (type.kind) {
    case "bool": {
      const bits = atLeast(body.buffer(), length / 8);
      return (index) => bitAt(bits, index);
    }
    case "bytes":
      return judgeBytes(type, length, body);
    case "view":
      return judgeViews(type, length, body);
    case "list":
    case "map":
      return judgeList(type, length, context);
    case "fixed_list": {
      const items = judgeColumn(type.item.type, context);
      if (items.length < length * type.size) invalid("fewer items than lists of fixed size ask for");
      return (index) => range(items, index * type.size, (index + 1) * type.size);
    }
    case "struct":
      return judgeStruct(type, length, context);
    case "dictionary":
      return judgeDictionary(type, length, context);
    default:
      return invalid(`a column of ${type.kind}`);
  }
}

function judgeBytes(type: Of<"bytes">, length: number, body: JudgeBody): (index: number) => JudgeValue {
  const bounds = offsets(body.buffer(), type.offsetBytes, length);
  const bytes = body.buffer();
  return (index) => {
    const [begin, end] = bounds(index, bytes.byteLength);
    return textOrBytes(type.text, part(bytes, begin, end - begin));
  };
}

/** Length, and up to 12 bytes; or 4 of them, the number of a buffer and an offset in it. The rest of the 12 says nothing. */
function judgeViews(type: Of<"view">, length: number, body: JudgeBody): (index: number) => JudgeValue {
  const views = atLeast(body.buffer(), length * 16);
  const buffers = Array.from({ length: body.furtherBuffers() }, () => body.buffer());
  return (index) => {
    const view = part(views, index * 16, 16);
    const size = view.getInt32(0, true);
    if (size < 0) invalid("a view of negative length");
    if (size <= 12) return textOrBytes(type.text, part(view, 4, size));
    const buffer = buffers[view.getInt32(8, true)] ?? invalid("a view into no buffer");
    const value = part(buffer, view.getInt32(12, true), size);
    if (value.getInt32(0, true) !== view.getInt32(4, true)) invalid("a view that begins differently");
    return textOrBytes(type.text, value);
  };
}

function judgeList(
  type: Of<"list" | "map">,
  length: number,
  context: JudgeContext,
): (index: number) => JudgeValue {
  const bounds = offsets(context.body.buffer(), type.offsetBytes, length);
  const items = judgeColumn(type.item.type, context);
  return (index) => {
    const list = range(items, ...bounds(index, items.length));
    return type.kind === "map" ? list.map((entry) => pairOf(entry)) : list;
  };
}

/** The key and the value of a map's entry, whatever their names. A null in place of an entry is as the format forbids it. */
function pairOf(entry: JudgeValue): JudgeValue {
  return entry instanceof Map ? [...entry.values()] : invalid("a map with an entry that is null");
}

function judgeStruct(
  type: Of<"struct">,
  length: number,
  context: JudgeContext,
): (index: number) => JudgeValue {
  const names = rowNames(type.fields);
  const columns = type.fields.map((field) => judgeColumn(field.type, context));
  if (columns.some((column) => column.length < length)) invalid("a struct with a short child");
  return (index) => new Map(columns.map((column, field) => [names[field] ?? "", column.get(index)]));
}

function judgeDictionary(
  type: Of<"dictionary">,
  length: number,
  { body, dictionaries }: JudgeContext,
): (index: number) => JudgeValue {
  const width = widthOf(type.index) ?? invalid("indices that are no integers");
  const indices = atLeast(body.buffer(), length * width);
  const signed = type.index.kind === "int" && type.index.signed;
  // As it is when this message comes: what comes later does not change it.
  const dictionary = dictionaries.get(type.id);
  return (index) => {
    const place = integerOf(part(indices, index * width, width), signed);
    if (dictionary === undefined) return invalid("a dictionary that has not come");
    if (place < 0n || place >= BigInt(dictionary.length))
      return invalid("an index outside of its dictionary");
    return dictionary.get(Number(place));
  };
}

function judgeUnion(type: Of<"union">, length: number, context: JudgeContext): JudgeColumn {
  // What such a bitmap would say of values that are not null, their own bitmaps say too.
  if (context.unionsHaveValidity) context.body.buffer();
  const ids = atLeast(context.body.buffer(), length);
  const places = type.dense ? atLeast(context.body.buffer(), 4 * length) : undefined;
  const columns = type.fields.map((field) => judgeColumn(field.type, context));
  if (!type.dense && columns.some((column) => column.length < length)) invalid("a union with a short child");
  return {
    length,
    get: (index) => {
      const column = columns[type.ids.indexOf(ids.getInt8(index))] ?? invalid("an unknown type id");
      const place = places?.getInt32(4 * index, true) ?? index;
      return place >= 0 && place < column.length
        ? column.get(place)
        : invalid("a place outside of its child");
    },
  };
}

/** The second column named "time" is "time_2" in a row, or the next such name that is free. */
export function rowNames(fields: readonly JudgeField[]): string[] {
  const names = fields.map((field) => field.name);
  const used = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let count = 2; used.has(free) || (free !== name && names.includes(free)); count += 1)
      free = `${name}_${count}`;
    used.add(free);
    return free;
  });
}

function range(items: JudgeColumn, begin: number, end: number): JudgeValue[] {
  return Array.from({ length: end - begin }, (_, index) => items.get(begin + index));
}

/** Where each value begins and ends, within `limit`. Without values there need not be offsets. */
function offsets(
  view: DataView,
  bytes: 4 | 8,
  length: number,
): (index: number, limit: number) => [begin: number, end: number] {
  if (length > 0) atLeast(view, (length + 1) * bytes);
  const at = (index: number): bigint => integerOf(part(view, index * bytes, bytes), true);
  return (index, limit) => {
    const [begin, end] = [at(index), at(index + 1)];
    if (begin < 0n || end < begin || end > BigInt(limit)) invalid("offsets that fall or lead outside");
    return [Number(begin), Number(end)];
  };
}

function textOrBytes(isText: boolean, { buffer, byteOffset, byteLength }: DataView): JudgeValue {
  const bytes = new Uint8Array(buffer.slice(byteOffset, byteOffset + byteLength));
  return isText ? strictText(bytes) : bytes;
}

function atLeast(view: DataView, bytes: number): DataView {
  return view.byteLength >= bytes ? view : invalid("a buffer that is too short");
}

function part(view: DataView, at: number, bytes: number): DataView {
  if (at < 0 || at + bytes > view.byteLength) invalid("a value outside of its buffer");
  return new DataView(view.buffer, view.byteOffset + at, bytes);
}
