/**
 * Columns as arrow-js's `Data` over the bytes of a body: nothing is copied but what lies at an address that a typed
 * array cannot have. A column is handed out only after its buffers were found long enough and its values sound
 * (checks.ts). Throws `Fault` only.
 */
import { Data, DataType, Vector } from "apache-arrow";
import { emptySource, type BodySource, type Node } from "./body.ts";
import * as checks from "./checks.ts";
import { badStream, decodedTooBig, unsupportedType } from "./faults.ts";
import type { ArrayKind, Layout } from "./layout.ts";

type Of<Kind extends Layout["kind"]> = Extract<Layout, { kind: Kind }>;

interface Parts {
  readonly offsets?: ArrayBufferView;
  readonly values?: ArrayBufferView;
  readonly bitmap?: Uint8Array;
  readonly typeIds?: Int8Array;
  readonly children?: Data[];
  readonly dictionary?: Vector;
  readonly variadicBuffers?: readonly Uint8Array[];
}

interface Validity {
  /** Empty: nothing is null. */
  readonly bitmap: Uint8Array;
  readonly nullCount: number;
}

/**
 * Types that take no bytes (null, structs without fields) let a header of a few bytes claim any number of rows, and
 * whoever walks them would not end.
 */
const mostRowsWithoutBytes = 2 ** 20;
const noBitmap = new Uint8Array(0);

export interface LoaderContext {
  readonly dictionaries: ReadonlyMap<number, Vector>;
  /** Values that share bytes take more in rows than in the message. */
  readonly maxDecodedBytes: number;
  /** Before V5 of the metadata, unions had a validity bitmap. */
  readonly unionsHaveValidity: boolean;
}

export class Loader {
  readonly #source: BodySource;
  readonly #context: LoaderContext;
  /** The column in faults. */
  #place = "";
  /** Of this message, each value for itself. */
  #viewedBytes = 0;
  #valuesWithoutBytes = 0;

  constructor(source: BodySource, context: LoaderContext) {
    this.#source = source;
    this.#context = context;
  }

  /** As counted so far. */
  get valuesWithoutBytes(): number {
    return this.#valuesWithoutBytes;
  }

  /** Values that no buffer stands behind. */
  countWithoutBytes(length: number): void {
    if (length > mostRowsWithoutBytes) throw badStream(`it claims ${length} rows that take no bytes`);
    this.#valuesWithoutBytes += length;
  }

  /** The next column of the body. */
  column(place: string, layout: Layout): Data {
    this.#place = place;
    return this.#load(layout);
  }

  #load(layout: Layout): Data {
    const node = this.#source.node();
    switch (layout.kind) {
      case "null":
        this.countWithoutBytes(node.length);
        return make(layout.type, node.length, node.length, {});
      case "union":
        return this.#union(layout, node);
      case "bits":
      case "fixed":
        return this.#fixed(layout, node);
      case "bytes":
        return this.#bytes(layout, node);
      case "views":
        return this.#views(layout, node);
      case "list":
        return this.#list(layout, node);
      case "fixed_list":
        return this.#fixedList(layout, node);
      case "struct":
        return this.#struct(layout, node);
      default:
        return this.#dictionary(layout, node);
    }
  }

  #fixed(layout: Of<"bits"> | Of<"fixed">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const values =
      layout.kind === "bits"
        ? this.#bytesOf(Math.ceil(node.length / 8))
        : this.#arrayOf(layout.array, node.length * layout.perValue);
    if (layout.kind === "fixed" && layout.perValue === 0) this.countWithoutBytes(node.length);
    return make(layout.type, node.length, nullCount, { values, bitmap });
  }

  #bytes(layout: Of<"bytes">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const { offsets, words } = this.#offsets(layout.wide, node.length);
    const values = this.#source.buffer();
    this.#hold(checks.offsetsProblem(words, node.length, values.length));
    if (layout.text) this.#hold(checks.textProblem(words, node.length, values, bitmap));
    return make(layout.type, node.length, nullCount, { offsets, values, bitmap });
  }

  #views(layout: Of<"views">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const words = this.#arrayOf(Int32Array, node.length * 4);
    const count = this.#source.variadicCount();
    const variadicBuffers = Array.from({ length: count }, () => this.#source.buffer());
    const { text } = layout;
    const views = { words, length: node.length, bitmap, buffers: variadicBuffers, text };
    this.#hold(checks.viewsProblem(views));
    this.#viewedBytes += checks.viewedBytes(views);
    const { maxDecodedBytes } = this.#context;
    if (this.#viewedBytes > maxDecodedBytes) throw decodedTooBig("the values of a batch", maxDecodedBytes);
    const values = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    return make(layout.type, node.length, nullCount, { values, bitmap, variadicBuffers });
  }

  #list(layout: Of<"list">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const { offsets, words } = this.#offsets(layout.wide, node.length);
    const child = this.#load(layout.child);
    this.#hold(checks.offsetsProblem(words, node.length, child.length));
    // An entry has no null of its own, and readers do not look for it: they would show what lies in its place.
    if (DataType.isMap(layout.type) && child.nullCount > 0)
      throw this.#bad("its map has entries that are null");
    return make(layout.type, node.length, nullCount, { offsets, bitmap, children: [child] });
  }

  #fixedList(layout: Of<"fixed_list">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const child = this.#load(layout.child);
    if (layout.size === 0) this.countWithoutBytes(node.length);
    if (child.length < node.length * layout.size) throw this.#bad("its lists are longer than their values");
    return make(layout.type, node.length, nullCount, { bitmap, children: [child] });
  }

  #struct(layout: Of<"struct">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    if (layout.children.length === 0) this.countWithoutBytes(node.length);
    const children = this.#children(layout.children, node.length);
    return make(layout.type, node.length, nullCount, { bitmap, children });
  }

  #union(layout: Of<"union">, node: Node): Data {
    if (this.#context.unionsHaveValidity && this.#source.buffer().length > 0 && node.nullCount !== 0) {
      throw unsupportedType(this.#place, "Union with nulls of its own, as before Arrow 1.0");
    }
    const typeIds = this.#arrayOf(Int8Array, node.length);
    const offsets = layout.dense ? this.#arrayOf(Int32Array, node.length) : undefined;
    const children = this.#children(layout.children, layout.dense ? undefined : node.length);
    const lengths = new Map(layout.typeIds.map((id, index) => [id, children[index]?.length ?? 0]));
    this.#hold(checks.unionProblem(typeIds, offsets, lengths));
    return make(layout.type, node.length, -1, { ...(offsets && { offsets }), typeIds, children });
  }

  #dictionary(layout: Of<"dictionary">, node: Node): Data {
    const { bitmap, nullCount } = this.#validity(node);
    const values =
      layout.indices.BYTES_PER_ELEMENT === 8
        ? checks.narrowIndices(this.#arrayOf(Int32Array, node.length * 2), node.length)
        : (this.#arrayOf(layout.indices, node.length) as Int32Array);
    const known = this.#context.dictionaries.get(layout.id);
    if (known === undefined && nullCount < node.length) throw this.#bad("its dictionary has not come");
    const dictionary = known ?? new Vector([this.#empty(layout.values)]);
    this.#hold(checks.indicesProblem(values, bitmap, dictionary.length));
    return make(layout.type, node.length, nullCount, { values, bitmap, dictionary });
  }

  #empty(layout: Layout): Data {
    return new Loader(emptySource, { ...this.#context, unionsHaveValidity: false }).column(
      this.#place,
      layout,
    );
  }

  #children(layouts: readonly Layout[], length: number | undefined): Data[] {
    return layouts.map((layout) => {
      const child = this.#load(layout);
      if (length !== undefined && child.length !== length) throw this.#bad("its parts differ in length");
      return child;
    });
  }

  #validity({ length, nullCount }: Node): Validity {
    const buffer = this.#source.buffer();
    if (nullCount < 0 || nullCount > length) throw this.#bad(`it has ${nullCount} nulls in ${length} values`);
    if (buffer.length === 0) {
      if (nullCount > 0) throw this.#bad("it has nulls and does not say where");
      return { bitmap: noBitmap, nullCount };
    }
    const bitmap = this.#trimmed(buffer, Math.ceil(length / 8));
    if (checks.countNulls(bitmap, length) !== nullCount)
      throw this.#bad("it has not as many nulls as it says");
    return { bitmap: nullCount === 0 ? noBitmap : bitmap, nullCount };
  }

  #offsets(wide: boolean, length: number): { offsets: Int32Array | BigInt64Array; words: checks.Offsets } {
    const buffer = this.#source.buffer();
    const step = wide ? 2 : 1;
    // Of no values there need not be an offset, but arrow-js takes it that there is.
    const bytes =
      length === 0 && buffer.length === 0
        ? new Uint8Array(8)
        : this.#trimmed(buffer, (length + 1) * 4 * step);
    if (!wide) {
      const words = arrayOver(Int32Array, bytes, length + 1);
      return { offsets: words, words: { words, step } };
    }
    const offsets = arrayOver(BigInt64Array, bytes, length + 1);
    return {
      offsets,
      words: { words: new Int32Array(offsets.buffer, offsets.byteOffset, (length + 1) * 2), step },
    };
  }

  #bytesOf(count: number): Uint8Array {
    return this.#trimmed(this.#source.buffer(), count);
  }

  #arrayOf<T extends ArrayBufferView>(
    kind: ArrayKind & (new (...of: [ArrayBufferLike, number, number]) => T),
    count: number,
  ): T {
    return arrayOver(kind, this.#bytesOf(count * kind.BYTES_PER_ELEMENT), count);
  }

  #trimmed(buffer: Uint8Array, bytes: number): Uint8Array {
    if (buffer.length < bytes)
      throw this.#bad(`it has a buffer of ${buffer.length} bytes where it takes ${bytes}`);
    return buffer.length === bytes ? buffer : buffer.subarray(0, bytes);
  }

  #hold(problem: string | undefined): void {
    if (problem !== undefined) throw this.#bad(problem);
  }

  #bad(what: string): Error {
    return badStream(`${this.#place}: ${what}`);
  }
}

function make(type: DataType, length: number, nullCount: number, parts: Parts): Data {
  const { offsets, values, bitmap, typeIds, children = [], dictionary, variadicBuffers } = parts;
  const buffers = [offsets, values, bitmap ?? noBitmap, typeIds] as unknown as Data["buffers"];
  return new Data(type, 0, length, nullCount, buffers, children, dictionary, variadicBuffers);
}

function arrayOver<T>(
  kind: { readonly BYTES_PER_ELEMENT: number; new (...of: [ArrayBufferLike, number, number]): T },
  bytes: Uint8Array,
  count: number,
): T {
  if (bytes.byteOffset % kind.BYTES_PER_ELEMENT === 0) return new kind(bytes.buffer, bytes.byteOffset, count);
  return new kind(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength), 0, count);
}
