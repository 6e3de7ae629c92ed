/**
 * A reader of flatbuffers (https://flatbuffers.dev/internals/) that trusts nothing: an offset is followed only when
 * what it points to lies in the bytes that are there, and a vector is no longer than they are. Offsets only point
 * forwards, so there are no cycles; but many may point to the same place, so that a few bytes could unfold into
 * any number of tables. What is read is therefore added up, and ends at a multiple of the size. Throws `Fault` only.
 *
 * A table has numbered slots; one that is not there has its default.
 */
import { badStream } from "./faults.ts";

/** Writers share strings, and vtables; nothing honest unfolds to more than this many times its size. */
const mostUnfolding = 16;
const strictText = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientText = new TextDecoder("utf-8", { ignoreBOM: true });

export function rootTable(bytes: Uint8Array): FlatTable {
  const source = new Source(bytes);
  return new FlatTable(source, source.target(0));
}

class Source {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #left: number;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#left = bytes.byteLength * mostUnfolding;
  }

  /** Where the offset at `at` points to. */
  target(at: number): number {
    this.within(at, 4);
    const offset = this.view.getUint32(at, true);
    if (offset === 0) throw badStream("its header has an offset that points to itself");
    this.within(at + offset, 4);
    return at + offset;
  }

  within(at: number, bytes: number): void {
    if (at < 0 || at + bytes > this.bytes.length) throw badStream("its header points outside of itself");
  }

  spend(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw badStream("its header refers to the same bytes again and again");
  }
}

export class FlatTable {
  readonly #source: Source;
  readonly #at: number;
  readonly #vtable: number;
  readonly #vtableBytes: number;
  readonly #inlineBytes: number;

  constructor(source: Source, at: number) {
    source.spend(8);
    source.within(at, 4);
    const vtable = at - source.view.getInt32(at, true);
    source.within(vtable, 4);
    const vtableBytes = source.view.getUint16(vtable, true);
    const inlineBytes = source.view.getUint16(vtable + 2, true);
    source.within(vtable, vtableBytes);
    source.within(at, inlineBytes);
    if (vtableBytes < 4 || inlineBytes < 4) throw badStream("its header has a table without a size");
    this.#source = source;
    this.#at = at;
    this.#vtable = vtable;
    this.#vtableBytes = vtableBytes;
    this.#inlineBytes = inlineBytes;
  }

  bool(slot: number): boolean {
    return this.uint8(slot) !== 0;
  }

  uint8(slot: number): number {
    const at = this.#field(slot, 1);
    return at === 0 ? 0 : this.#source.view.getUint8(at);
  }

  int16(slot: number, absent = 0): number {
    const at = this.#field(slot, 2);
    return at === 0 ? absent : this.#source.view.getInt16(at, true);
  }

  int32(slot: number, absent = 0): number {
    const at = this.#field(slot, 4);
    return at === 0 ? absent : this.#source.view.getInt32(at, true);
  }

  int64(slot: number): number {
    const at = this.#field(slot, 8);
    return at === 0 ? 0 : this.#int64(at);
  }

  /** Text that has to be UTF-8, as names are. */
  name(slot: number): string {
    try {
      return strictText.decode(this.#string(slot));
    } catch (error) {
      if (error instanceof TypeError) throw badStream("its header has a name that is not UTF-8");
      throw error;
    }
  }

  /** Text that may be anything: Arrow's C++ keeps binary metadata in strings. */
  text(slot: number): string | undefined {
    return this.has(slot) ? lenientText.decode(this.#string(slot)) : undefined;
  }

  has(slot: number): boolean {
    return this.#field(slot, 1) !== 0;
  }

  table(slot: number): FlatTable | undefined {
    const at = this.#field(slot, 4);
    return at === 0 ? undefined : new FlatTable(this.#source, this.#source.target(at));
  }

  tables(slot: number): FlatTable[] {
    const { start, count } = this.#vector(slot, 4);
    const tables: FlatTable[] = [];
    for (let i = 0; i < count; i += 1)
      tables.push(new FlatTable(this.#source, this.#source.target(start + i * 4)));
    return tables;
  }

  int32s(slot: number): number[] {
    const { start, count } = this.#vector(slot, 4);
    return Array.from({ length: count }, (_, i) => this.#source.view.getInt32(start + i * 4, true));
  }

  /** A vector of int64, or of structs that are `perElement` of them: all of them in one array. */
  int64s(slot: number, perElement = 1): number[] {
    const { start, count } = this.#vector(slot, 8 * perElement);
    const numbers: number[] = [];
    for (let i = 0; i < count * perElement; i += 1) numbers.push(this.#int64(start + i * 8));
    return numbers;
  }

  /** Where the slot's value lies, or 0: no field lies at the start of the bytes. */
  #field(slot: number, bytes: number): number {
    const entry = 4 + 2 * slot;
    if (entry + 2 > this.#vtableBytes) return 0;
    const offset = this.#source.view.getUint16(this.#vtable + entry, true);
    if (offset === 0) return 0;
    if (offset < 4 || offset + bytes > this.#inlineBytes)
      throw badStream("its header has a field outside of its table");
    return this.#at + offset;
  }

  #int64(at: number): number {
    const value =
      this.#source.view.getInt32(at + 4, true) * 0x1_0000_0000 + this.#source.view.getUint32(at, true);
    if (!Number.isSafeInteger(value)) throw badStream("its header has a number beyond all measure");
    return value;
  }

  #string(slot: number): Uint8Array {
    const { start, count } = this.#vector(slot, 1);
    return this.#source.bytes.subarray(start, start + count);
  }

  #vector(slot: number, elementBytes: number): { start: number; count: number } {
    const at = this.#field(slot, 4);
    if (at === 0) return { start: 0, count: 0 };
    const vector = this.#source.target(at);
    const count = this.#source.view.getUint32(vector, true);
    this.#source.within(vector + 4, count * elementBytes);
    this.#source.spend(count * elementBytes);
    return { start: vector + 4, count };
  }
}
