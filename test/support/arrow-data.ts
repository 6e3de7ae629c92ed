/**
 * Arrow columns made by hand, buffer by buffer: what arrow-js's builders cannot make (views, big lists, unions with
 * gaps) or make wrongly (timestamps before 1970, decimals). What a null's place holds is garbage on purpose.
 */
import { Data, Field, makeData, RecordBatch, Schema, Struct, Vector, type DataType } from "apache-arrow";

type Maybe<T> = T | null;

function validity(values: readonly unknown[]): { nullCount: number; nullBitmap: Uint8Array } {
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  let nullCount = 0;
  values.forEach((value, index) => {
    if (value === null) nullCount += 1;
    else setBit(nullBitmap, index);
  });
  return { nullCount, nullBitmap: nullCount === 0 ? new Uint8Array(0) : nullBitmap };
}

function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
}

/** Values of fixed width: each is the elements of its typed array. */
export function fixedData(
  type: DataType,
  values: readonly Maybe<number | bigint | readonly (number | bigint)[]>[],
): Data {
  const width = values.reduce<number>((most, value) => (Array.isArray(value) ? value.length : most), 1);
  const isBig = type.ArrayType === BigInt64Array || type.ArrayType === BigUint64Array;
  const garbage = Array.from({ length: width }, () => (isBig ? 77n : 77));
  const elements = values.flatMap((value): readonly (number | bigint)[] =>
    value === null ? garbage : Array.isArray(value) ? value : [value as number | bigint],
  );
  const data: ArrayBufferView = type.ArrayType.from(elements);
  return new Data(type, 0, values.length, validity(values).nullCount, [
    undefined,
    data,
    validity(values).nullBitmap,
  ]);
}

export function boolData(type: DataType, values: readonly Maybe<boolean>[]): Data {
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  values.forEach((value, index) => {
    if (value !== false) setBit(bits, index);
  });
  const { nullCount, nullBitmap } = validity(values);
  return new Data(type, 0, values.length, nullCount, [undefined, bits, nullBitmap]);
}

const bytesOf = (value: Maybe<string | Uint8Array>): Uint8Array =>
  typeof value === "string" ? Buffer.from(value) : (value ?? Buffer.from([0xff, 0xfe]));

function offsetsFor(type: DataType, lengths: readonly number[]): Int32Array | BigInt64Array {
  let end = 0;
  const ends = lengths.map((length) => (end += length));
  return type.OffsetArrayType === BigInt64Array
    ? BigInt64Array.from([0, ...ends], BigInt)
    : Int32Array.from([0, ...ends]);
}

/** Text or bytes behind offsets. A null's bytes are no UTF-8. */
export function bytesData(type: DataType, values: readonly Maybe<string | Uint8Array>[]): Data {
  const parts = values.map(bytesOf);
  const offsets = offsetsFor(
    type,
    parts.map((part) => part.length),
  );
  const { nullCount, nullBitmap } = validity(values);
  const bytes = new Uint8Array(Buffer.concat(parts));
  return new Data(type, 0, values.length, nullCount, [offsets, bytes, nullBitmap]);
}

/** Text or bytes behind views; each long one has a buffer of its own, at an offset of 3. */
export function viewsData(type: DataType, values: readonly Maybe<string | Uint8Array>[]): Data {
  const views = Buffer.alloc(values.length * 16);
  const buffers: Uint8Array[] = [];
  values.forEach((value, index) => {
    const bytes = bytesOf(value);
    views.writeInt32LE(bytes.length, index * 16);
    views.set(bytes.subarray(0, bytes.length > 12 ? 4 : 12), index * 16 + 4);
    if (bytes.length <= 12) return;
    views.writeInt32LE(buffers.length, index * 16 + 8);
    views.writeInt32LE(3, index * 16 + 12);
    buffers.push(new Uint8Array(Buffer.concat([Buffer.from("???"), bytes])));
  });
  const { nullCount, nullBitmap } = validity(values);
  const body = new Uint8Array(views);
  return new Data(type, 0, values.length, nullCount, [undefined, body, nullBitmap], [], undefined, buffers);
}

/** Lists or maps: how many items of the child each value has. */
export function listData(type: DataType, child: Data, lengths: readonly Maybe<number>[]): Data {
  const offsets = offsetsFor(
    type,
    lengths.map((length) => length ?? 0),
  );
  const { nullCount, nullBitmap } = validity(lengths);
  return new Data(type, 0, lengths.length, nullCount, [offsets, undefined, nullBitmap], [child]);
}

/** Structs or lists of fixed size: which values are there, and their children. */
export function parentData(type: DataType, isThere: readonly Maybe<true>[], children: readonly Data[]): Data {
  const { nullCount, nullBitmap } = validity(isThere);
  return new Data(type, 0, isThere.length, nullCount, [undefined, undefined, nullBitmap], [...children]);
}

/** A union: the type id of each value, and where it stands in its child (dense), or nothing (sparse). */
export function unionData(
  type: DataType,
  typeIds: readonly number[],
  children: readonly Data[],
  places?: readonly number[],
): Data {
  const offsets = places === undefined ? undefined : Int32Array.from(places);
  const buffers = [offsets, undefined, undefined, Int8Array.from(typeIds)];
  return new Data(type, 0, typeIds.length, 0, buffers as never, [...children]);
}

export function dictionaryData(
  type: DataType,
  indices: readonly Maybe<number | bigint>[],
  dictionary: readonly Data[],
): Data {
  const { nullCount, nullBitmap } = validity(indices);
  const IndexArray = (type as DataType & { indices: DataType }).indices.ArrayType;
  const isBig = IndexArray === BigInt64Array || IndexArray === BigUint64Array;
  const data: ArrayBufferView = IndexArray.from(indices.map((index) => index ?? (isBig ? 99n : 99)));
  const buffers = [undefined, data, nullBitmap];
  return new Data(type, 0, indices.length, nullCount, buffers as never, [], new Vector([...dictionary]));
}

export function batchOf(
  columns: readonly (readonly [name: string, data: Data])[],
  rows?: number,
): RecordBatch {
  const fields = columns.map(([name, { type }]) => new Field(name, type, true));
  const length = rows ?? columns[0]?.[1].length ?? 0;
  const children = columns.map(([, data]) => data);
  const data = makeData({ type: new Struct(fields), length, nullCount: 0, children });
  return new RecordBatch(new Schema(fields), data);
}
