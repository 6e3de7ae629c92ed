/** The schema as Schema.fbs of the Arrow format defines it: types with their parameters and defaults. */
import { invalid, type Flat } from "./arrow-judge-flatbuffer.ts";

export interface JudgeField {
  readonly name: string;
  readonly type: JudgeType;
}

export type JudgeType =
  | { readonly kind: "null" | "bool" }
  | { readonly kind: "int"; readonly bits: number; readonly signed: boolean }
  | { readonly kind: "float"; readonly bits: number }
  | { readonly kind: "decimal"; readonly bits: number; readonly scale: number }
  | { readonly kind: "date"; readonly bits: number }
  | { readonly kind: "time"; readonly bits: number; readonly nsPerUnit: bigint }
  | { readonly kind: "timestamp" | "duration"; readonly nsPerUnit: bigint }
  | { readonly kind: "interval"; readonly bytes: number }
  | { readonly kind: "fixed_binary"; readonly bytes: number }
  | { readonly kind: "bytes"; readonly text: boolean; readonly offsetBytes: 4 | 8 }
  | { readonly kind: "view"; readonly text: boolean }
  | { readonly kind: "list" | "map"; readonly offsetBytes: 4 | 8; readonly item: JudgeField }
  | { readonly kind: "fixed_list"; readonly size: number; readonly item: JudgeField }
  | { readonly kind: "struct"; readonly fields: readonly JudgeField[] }
  | {
      readonly kind: "union";
      readonly dense: boolean;
      readonly ids: readonly number[];
      readonly fields: readonly JudgeField[];
    }
  | {
      readonly kind: "dictionary";
      readonly id: bigint;
      readonly index: JudgeType;
      readonly values: JudgeType;
    };

const nsPerUnits = [1_000_000_000n, 1_000_000n, 1000n, 1n];

/**
 * Not looked at, because no value depends on it: metadata, features, nullability, time zones (a timestamp counts
 * from the epoch whatever its zone), the precision of decimals, whether keys or dictionaries are sorted.
 */
export function judgeSchema(table: Flat): JudgeField[] {
  if (table.short(0) !== 0) invalid("numbers of the other endianness");
  return table.tables(1).map((field) => judgeField(field));
}

/** Every dictionary and the type of its values. */
export function dictionariesOf(
  types: readonly JudgeType[],
  found = new Map<bigint, JudgeType>(),
): Map<bigint, JudgeType> {
  for (const type of types) {
    if (type.kind === "dictionary") {
      found.set(type.id, type.values);
      dictionariesOf([type.values], found);
    } else if (type.kind === "struct" || type.kind === "union") {
      dictionariesOf(
        type.fields.map((field) => field.type),
        found,
      );
    } else if (type.kind === "list" || type.kind === "map" || type.kind === "fixed_list") {
      dictionariesOf([type.item.type], found);
    }
  }
  return found;
}

function judgeField(table: Flat): JudgeField {
  const children = table.tables(5).map((child) => judgeField(child));
  const parameters = table.table(3) ?? invalid("a field without a type");
  const values = judgeType(table.byte(2), parameters, children);
  const encoding = table.table(4);
  if (encoding === undefined) return { name: table.text(0), type: values };
  const indexTable = encoding.table(1);
  const index: JudgeType =
    indexTable === undefined ? { kind: "int", bits: 32, signed: true } : judgeInt(indexTable);
  return { name: table.text(0), type: { kind: "dictionary", id: encoding.long(0), index, values } };
}

function judgeInt(table: Flat): JudgeType {
  return { kind: "int", bits: oneOf(table.int(0), [8, 16, 32, 64]), signed: table.byte(1) !== 0 };
}

function judgeType(number: number, table: Flat, children: readonly JudgeField[]): JudgeType {
  const item = (): JudgeField => children[0] ?? invalid("a list without the type of its items");
  switch (number) {
    case 1:
      return { kind: "null" };
    case 2:
      return judgeInt(table);
    case 3:
      return { kind: "float", bits: 16 << oneOf(table.short(0), [0, 1, 2]) };
    case 4:
      return { kind: "bytes", text: false, offsetBytes: 4 };
    case 5:
      return { kind: "bytes", text: true, offsetBytes: 4 };
    case 6:
      return { kind: "bool" };
    case 7:
      return { kind: "decimal", bits: oneOf(table.int(2, 128), [32, 64, 128, 256]), scale: table.int(1) };
    case 8:
      return { kind: "date", bits: 32 << oneOf(table.short(0, 1), [0, 1]) };
    case 9:
      return judgeTime(unit(table.short(0, 1)), table.int(1, 32));
    case 10:
      return { kind: "timestamp", nsPerUnit: unit(table.short(0)) };
    case 11:
      return { kind: "interval", bytes: [4, 8, 16][oneOf(table.short(0), [0, 1, 2])] ?? 0 };
    case 12:
      return { kind: "list", offsetBytes: 4, item: item() };
    case 13:
      return { kind: "struct", fields: children };
    case 14:
      return judgeUnion(table, children);
    case 15:
      return { kind: "fixed_binary", bytes: notNegative(table.int(0)) };
    case 16:
      return { kind: "fixed_list", size: notNegative(table.int(0)), item: item() };
    case 17:
      return judgeMap(item());
    case 18:
      return { kind: "duration", nsPerUnit: unit(table.short(0, 1)) };
    case 19:
      return { kind: "bytes", text: false, offsetBytes: 8 };
    case 20:
      return { kind: "bytes", text: true, offsetBytes: 8 };
    case 21:
      return { kind: "list", offsetBytes: 8, item: item() };
    case 23:
      return { kind: "view", text: false };
    case 24:
      return { kind: "view", text: true };
    default:
      return invalid(`the type ${number}`);
  }
}

function judgeTime(nsPerUnit: bigint, bits: number): JudgeType {
  return { kind: "time", nsPerUnit, bits: oneOf(bits, [nsPerUnit >= 1_000_000n ? 32 : 64]) };
}

function judgeUnion(table: Flat, fields: readonly JudgeField[]): JudgeType {
  const ids = table.has(1) ? table.ints(1) : fields.map((_, index) => index);
  if (ids.length !== fields.length) invalid("a union with another number of type ids than of children");
  if (new Set(ids).size !== ids.length) invalid("a union with a type id twice");
  return { kind: "union", dense: oneOf(table.short(0), [0, 1]) === 1, ids, fields };
}

function judgeMap(item: JudgeField): JudgeType {
  if (item.type.kind !== "struct" || item.type.fields.length !== 2)
    invalid("a map whose entries are no pairs");
  // What entries, keys and values are called is up to the writer, and no row shows it.
  const fields = item.type.fields.map(({ type }, index) => ({ name: String(index), type }));
  return { kind: "map", offsetBytes: 4, item: { name: "", type: { kind: "struct", fields } } };
}

function unit(number: number): bigint {
  return nsPerUnits[number] ?? invalid(`the time unit ${number}`);
}

function oneOf(value: number, allowed: readonly number[]): number {
  return allowed.includes(value) ? value : invalid(`the parameter ${value}`);
}

function notNegative(value: number): number {
  return value >= 0 ? value : invalid("a negative size");
}
