/** Readers of the types that are made of others. They get the readers of those. */
import { UnionMode, type Data, type Union, type Vector } from "apache-arrow";
import { assert } from "../../lib/fault.ts";
import { childOf, offsetsOf, type Bind, type Get } from "./column-reader.ts";
import { objectsWith } from "./objects.ts";
import type { Value } from "./values.ts";

export function listReader(items: Bind): Bind {
  return (data) => {
    const item = items(childOf(data, 0));
    const offsets = offsetsOf(data);
    return (index) => range(item, offsets[index] as number, offsets[index + 1] as number);
  };
}

export function fixedListReader(items: Bind, size: number): Bind {
  return (data) => {
    const item = items(childOf(data, 0));
    return (index) => range(item, index * size, (index + 1) * size);
  };
}

function range(item: Get, begin: number, end: number): Value[] {
  const values: Value[] = [];
  for (let index = begin; index < end; index += 1) values.push(item(index));
  return values;
}

/** An array of pairs, in the order of the stream: keys need not be text, and Arrow does not say that they are unique. */
export function mapReader(keys: Bind, values: Bind): Bind {
  return (data) => {
    const entries = childOf(data, 0);
    const key = keys(childOf(entries, 0));
    const value = values(childOf(entries, 1));
    const pair: Get = (index) => [key(index), value(index)];
    const offsets = offsetsOf(data);
    return (index) => range(pair, offsets[index] as number, offsets[index + 1] as number);
  };
}

export function structReader(names: readonly string[], fields: readonly Bind[]): Bind {
  const blank = objectsWith(names);
  return (data) => {
    const gets = fields.map((bind, index) => bind(childOf(data, index)));
    return (index) => {
      const object = blank();
      for (let field = 0; field < gets.length; field += 1) {
        object[names[field] as string] = (gets[field] as Get)(index);
      }
      return object;
    };
  };
}

/** A union has no validity of its own: the values have theirs. */
export function unionReader(type: Union, members: readonly Bind[]): Bind {
  const memberOfId = new Map(Array.from(type.typeIds, (id: number, member) => [id, member]));
  return (data) => {
    const gets = members.map((bind, member) => bind(childOf(data, member)));
    const typeIds: Int8Array = data.typeIds;
    const value = (index: number, place: number): Value =>
      (gets[memberOfId.get(typeIds[index] as number) as number] as Get)(place);
    if (type.mode === UnionMode.Sparse) return (index) => value(index, index);
    const places: Int32Array = data.valueOffsets;
    return (index) => value(index, places[index] as number);
  };
}

type Indices = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

/**
 * Each entry of a dictionary is read when a row first needs it, and once: rows share what it is. A dictionary is one
 * Vector for as long as it does not change. A delta makes a new one of the pieces that were there and one more.
 */
export function dictionaryReader(values: Bind): Bind {
  const pieces = new WeakMap<Data, Get>();
  const pieceOf = (data: Data): Get => {
    const known = pieces.get(data);
    if (known !== undefined) return known;
    const get = readOnce(values(data));
    pieces.set(data, get);
    return get;
  };
  let lastDictionary: Vector | undefined;
  let lastEntry: Get;
  return (data) => {
    const { dictionary } = data;
    assert(dictionary !== undefined, "a column has the dictionary of its type");
    if (dictionary !== lastDictionary) {
      lastEntry = entriesOf(dictionary.data, pieceOf);
      lastDictionary = dictionary;
    }
    const entry = lastEntry;
    // 64-bit indices the decoder has narrowed.
    const indices = data.values as Indices;
    return (index) => entry(indices[index] as number);
  };
}

function readOnce(get: Get): Get {
  const known = new Map<number, Value>();
  return (index) => {
    const value = known.get(index);
    if (value !== undefined) return value;
    const read = get(index);
    known.set(index, read);
    return read;
  };
}

function entriesOf(pieces: readonly Data[], pieceOf: (data: Data) => Get): Get {
  const [first] = pieces;
  if (first !== undefined && pieces.length === 1) return pieceOf(first);
  let end = 0;
  const ends = Float64Array.from(pieces, ({ length }) => (end += length));
  return (index) => {
    let low = 0;
    let high = ends.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (index < (ends[middle] as number)) high = middle;
      else low = middle + 1;
    }
    const piece = pieces[low] as Data;
    return pieceOf(piece)(index - ((ends[low] as number) - piece.length));
  };
}
