/**
 * The schema message: arrow-js's `Schema` and, for each column, how its values lie. A dictionary's id stands for one
 * type of values; every column that uses the id has that type.
 */
import { isDeepStrictEqual } from "node:util";
import { DataType, Dictionary, Field, Int32, MetadataVersion, Schema, Struct } from "apache-arrow";
import { badStream, placeOf, unsupportedType } from "./faults.ts";
import type { FlatTable } from "./flatbuffer.ts";
import { readMetadata } from "./header.ts";
import type { Layout } from "./layout.ts";
import { readInt, readType, type Column } from "./types.ts";

export interface WireSchema {
  readonly schema: Schema;
  readonly columns: readonly Column[];
  /** The values of every dictionary, by its id. */
  readonly dictionaries: ReadonlyMap<number, Layout>;
  /** A batch's rows as one type. */
  readonly rowType: Struct;
}

/** As Arrow's C++ reads. */
const deepestNesting = 64;

export function readSchema(table: FlatTable): WireSchema {
  if (table.int16(0) !== 0) throw unsupportedType("the stream", "big-endian");
  const dictionaries = new Map<number, Layout>();
  const columns = table.tables(1).map((field) => readField(field, { dictionaries, path: "", depth: 1 }));
  const fields = columns.map(({ field }) => field);
  const types = new Map([...dictionaries].map(([id, { type }]) => [id, type]));
  const schema = new Schema(fields, readMetadata(table, 2), types, MetadataVersion.V5);
  return { schema, columns, dictionaries, rowType: new Struct(fields) };
}

interface Outer {
  readonly dictionaries: Map<number, Layout>;
  /** Of the field around, with a dot behind it. */
  readonly path: string;
  readonly depth: number;
}

function readField(table: FlatTable, { dictionaries, path, depth }: Outer): Column {
  if (depth > deepestNesting) throw badStream(`its types are nested more than ${deepestNesting} deep`);
  const name = table.name(0);
  const place = placeOf(path + name);
  const inner = { dictionaries, path: `${path}${name}.`, depth: depth + 1 };
  const children = table.tables(5).map((child) => readField(child, inner));
  const type = table.table(3);
  if (type === undefined) throw badStream(`${place} has no type`);
  const values = readType(table.uint8(2), { place, table: type, children });
  const encoding = table.table(4);
  const layout = encoding === undefined ? values : readDictionary(place, { encoding, values, dictionaries });
  return { field: new Field(name, layout.type, table.bool(1), readMetadata(table, 6)), layout };
}

interface Encoded {
  readonly encoding: FlatTable;
  readonly values: Layout;
  readonly dictionaries: Map<number, Layout>;
}

function readDictionary(place: string, { encoding, values, dictionaries }: Encoded): Layout {
  const id = encoding.int64(0);
  const other = dictionaries.get(id);
  if (other !== undefined && !isDeepStrictEqual(other.type, values.type)) {
    throw badStream(`${place} and another column share a dictionary and differ in its type`);
  }
  if (encoding.int16(3) !== 0) throw unsupportedType(place, "Dictionary of an unknown kind");
  const shared = other ?? values;
  dictionaries.set(id, shared);
  const indexTable = encoding.table(1);
  const indices = indexTable === undefined ? undefined : readInt({ place, table: indexTable });
  return {
    kind: "dictionary",
    // arrow-js cannot look up a bigint. An index in range fits 32 bits, so wider ones are narrowed, and the type with them.
    type: new Dictionary(shared.type, narrowType(indices?.type), id, encoding.bool(2)),
    id,
    indices: indices?.array ?? Int32Array,
    values: shared,
  };
}

function narrowType(type: DataType | undefined): Dictionary["indices"] {
  return DataType.isInt(type) && type.bitWidth < 64 ? (type as Dictionary["indices"]) : new Int32();
}
