/**
 * Reads flatbuffers (https://flatbuffers.dev/internals/) as plainly as can be: every slot is looked up anew, and what
 * lies outside of the bytes is invalid. It is more lenient than an honest reader has to be: a judge that calls a
 * header invalid says that no reader may make sense of it.
 */

/** What the judge throws: the stream is no Arrow stream. */
export class Invalid extends Error {}

export function invalid(why: string): never {
  throw new Invalid(why);
}

/** Bytes that decide something: where they lie and how many. A fuzzer wants to know. */
export type Watch = (at: number, bytes: number) => void;

export class Flat {
  readonly #view: DataView;
  readonly #at: number;
  readonly #watch: Watch | undefined;

  private constructor(view: DataView, at: number, watch: Watch | undefined) {
    this.#view = view;
    this.#at = at;
    this.#watch = watch;
  }

  static root(bytes: Uint8Array, watch?: Watch): Flat {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return new Flat(view, follow(view, 0, watch), watch);
  }

  has(slot: number): boolean {
    return this.#place(slot) !== undefined;
  }

  byte(slot: number): number {
    return this.#read(slot, 1, 0, (at) => this.#view.getUint8(at));
  }

  short(slot: number, absent = 0): number {
    return this.#read(slot, 2, absent, (at) => this.#view.getInt16(at, true));
  }

  int(slot: number, absent = 0): number {
    return this.#read(slot, 4, absent, (at) => this.#view.getInt32(at, true));
  }

  long(slot: number): bigint {
    return this.#read(slot, 8, 0n, (at) => this.#view.getBigInt64(at, true));
  }

  table(slot: number): Flat | undefined {
    const place = this.#place(slot);
    if (place === undefined) return undefined;
    return new Flat(this.#view, follow(this.#view, place, this.#watch), this.#watch);
  }

  tables(slot: number): Flat[] {
    const starts = this.#vector(slot, 4);
    return starts.map((at) => new Flat(this.#view, follow(this.#view, at, this.#watch), this.#watch));
  }

  ints(slot: number): number[] {
    return this.#vector(slot, 4).map((at) => checked(() => this.#view.getInt32(at, true)));
  }

  /** A vector of int64; structs of `perElement` of them one after the other. */
  longs(slot: number, perElement = 1): bigint[] {
    return this.#vector(slot, 8 * perElement).flatMap((start) =>
      Array.from({ length: perElement }, (_, i) => {
        this.#watch?.(start + 8 * i, 8);
        return checked(() => this.#view.getBigInt64(start + 8 * i, true));
      }),
    );
  }

  text(slot: number): string {
    const bytes = this.#vector(slot, 1).map((at) => checked(() => this.#view.getUint8(at)));
    return strictText(Uint8Array.from(bytes));
  }

  #read<T>(slot: number, bytes: number, absent: T, get: (at: number) => T): T {
    const place = this.#place(slot);
    if (place === undefined) return absent;
    this.#watch?.(place, bytes);
    return checked(() => get(place));
  }

  #place(slot: number): number | undefined {
    return checked(() => {
      const vtable = this.#at - this.#view.getInt32(this.#at, true);
      const entry = vtable + 4 + 2 * slot;
      this.#watch?.(this.#at, 4);
      this.#watch?.(vtable, 2);
      this.#watch?.(vtable + 2, 2);
      if (4 + 2 * slot + 2 > this.#view.getUint16(vtable, true)) return undefined;
      this.#watch?.(entry, 2);
      const offset = this.#view.getUint16(entry, true);
      return offset === 0 ? undefined : this.#at + offset;
    });
  }

  /** Where each element of a vector begins. */
  #vector(slot: number, elementBytes: number): number[] {
    const place = this.#place(slot);
    if (place === undefined) return [];
    const start = follow(this.#view, place, this.#watch);
    this.#watch?.(start, 4);
    const count = checked(() => this.#view.getUint32(start, true));
    if (start + 4 + count * elementBytes > this.#view.byteLength) invalid("a vector ends behind the header");
    return Array.from({ length: count }, (_, i) => start + 4 + i * elementBytes);
  }
}

export function strictText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return invalid("a text is not UTF-8");
  }
}

function follow(view: DataView, at: number, watch: Watch | undefined): number {
  watch?.(at, 4);
  return checked(() => at + view.getUint32(at, true));
}

/** A DataView throws a RangeError for what lies outside of it. */
function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) invalid("the header points outside of itself");
    throw error;
  }
}
