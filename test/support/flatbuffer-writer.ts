/**
 * Writes any flatbuffer a test asks for, also one that no honest writer makes. A table is an array of its slots.
 * Everything is written behind what refers to it, so that offsets point forwards; alignment is left out.
 */

export type Slot =
  | undefined
  | { readonly bool: boolean }
  | { readonly u8: number }
  | { readonly i16: number }
  | { readonly i32: number }
  | { readonly i64: number | bigint }
  | { readonly text: string | Uint8Array }
  | { readonly table: TableSlots }
  | { readonly tables: readonly TableSlots[] }
  | { readonly i32s: readonly number[] }
  /** A vector of int64, or of structs of `perElement` of them. */
  | { readonly i64s: readonly (number | bigint)[]; readonly perElement?: number };

export type TableSlots = readonly Slot[];

export function writeFlatbuffer(root: TableSlots): Uint8Array {
  const writer = new Writer();
  const at = writer.append(4);
  writer.point(at, writer.table(root));
  return writer.bytes();
}

class Writer {
  #bytes = Buffer.alloc(1024);
  #length = 0;

  bytes(): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(0, this.#length));
  }

  append(count: number): number {
    const at = this.#length;
    this.#length += count;
    while (this.#length > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes, Buffer.alloc(this.#bytes.length)]);
    return at;
  }

  point(at: number, target: number): void {
    this.#bytes.writeUInt32LE(target - at, at);
  }

  table(slots: TableSlots): number {
    const vtable = this.append(4 + 2 * slots.length);
    const sizes = slots.map((slot) => sizeOf(slot));
    const inlineBytes = 4 + sizes.reduce((sum, size) => sum + size, 0);
    const at = this.append(inlineBytes);
    this.#bytes.writeUInt16LE(4 + 2 * slots.length, vtable);
    this.#bytes.writeUInt16LE(inlineBytes, vtable + 2);
    this.#bytes.writeInt32LE(at - vtable, at);
    let field = at + 4;
    for (const [index, slot] of slots.entries()) {
      if (slot === undefined) continue;
      this.#bytes.writeUInt16LE(field - at, vtable + 4 + 2 * index);
      this.#write(slot, field);
      field += sizes[index] ?? 0;
    }
    return at;
  }

  #write(slot: Exclude<Slot, undefined>, at: number): void {
    if ("bool" in slot) this.#bytes.writeUInt8(slot.bool ? 1 : 0, at);
    else if ("u8" in slot) this.#bytes.writeUInt8(slot.u8, at);
    else if ("i16" in slot) this.#bytes.writeInt16LE(slot.i16, at);
    else if ("i32" in slot) this.#bytes.writeInt32LE(slot.i32, at);
    else if ("i64" in slot) this.#bytes.writeBigInt64LE(BigInt(slot.i64), at);
    else if ("table" in slot) this.point(at, this.table(slot.table));
    else this.#vector(slot, at);
  }

  #vector(
    slot: Extract<Slot, { text: unknown } | { tables: unknown } | { i32s: unknown } | { i64s: unknown }>,
    at: number,
  ): void {
    if ("text" in slot) {
      const text = Buffer.from(slot.text);
      const start = this.#count(at, text.length, text.length + 1);
      text.copy(this.#bytes, start);
    } else if ("tables" in slot) {
      const start = this.#count(at, slot.tables.length, 4 * slot.tables.length);
      for (const [index, table] of slot.tables.entries()) this.point(start + 4 * index, this.table(table));
    } else if ("i32s" in slot) {
      const start = this.#count(at, slot.i32s.length, 4 * slot.i32s.length);
      for (const [index, number] of slot.i32s.entries()) this.#bytes.writeInt32LE(number, start + 4 * index);
    } else {
      const start = this.#count(at, slot.i64s.length / (slot.perElement ?? 1), 8 * slot.i64s.length);
      for (const [index, number] of slot.i64s.entries())
        this.#bytes.writeBigInt64LE(BigInt(number), start + 8 * index);
    }
  }

  /** The vector's count; returns where its elements begin. */
  #count(at: number, count: number, bytes: number): number {
    const vector = this.append(4 + bytes);
    this.point(at, vector);
    this.#bytes.writeUInt32LE(count, vector);
    return vector + 4;
  }
}

function sizeOf(slot: Slot): number {
  if (slot === undefined) return 0;
  if ("bool" in slot || "u8" in slot) return 1;
  if ("i16" in slot) return 2;
  return "i64" in slot ? 8 : 4;
}
