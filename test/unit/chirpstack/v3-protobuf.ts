/** Protobuf put together by field numbers alone, so that a wrong number in our schema is seen. */
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Numbers and booleans are varints; a float or a double is a typed array of one; a list is repeated. */
type Value =
  | string
  | bigint
  | number
  | boolean
  | Uint8Array
  | Float32Array
  | Float64Array
  | Fields
  | Fields[];

/** By field number, which is also their order. */
export interface Fields {
  readonly [number: number]: Value;
}

export function protobuf(fields: Fields): Uint8Array<ArrayBuffer> {
  const writer = new BinaryWriter();
  for (const [number, value] of Object.entries(fields)) {
    for (const item of Array.isArray(value) ? value : [value]) write(writer, Number(number), item);
  }
  return new Uint8Array(writer.finish());
}

function write(writer: BinaryWriter, number: number, value: Exclude<Value, Fields[]>): void {
  if (typeof value === "string") writer.tag(number, WireType.LengthDelimited).string(value);
  else if (typeof value === "bigint") writer.tag(number, WireType.Varint).uint64(value);
  else if (typeof value === "number") writer.tag(number, WireType.Varint).int32(value);
  else if (typeof value === "boolean") writer.tag(number, WireType.Varint).bool(value);
  else if (value instanceof Uint8Array) writer.tag(number, WireType.LengthDelimited).bytes(value);
  else if (value instanceof Float32Array) writer.tag(number, WireType.Bit32).float(value[0] ?? 0);
  else if (value instanceof Float64Array) writer.tag(number, WireType.Bit64).double(value[0] ?? 0);
  else writer.tag(number, WireType.LengthDelimited).bytes(protobuf(value));
}

export function hex(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "hex"));
}

export function double(value: number): Float64Array {
  return new Float64Array([value]);
}
