/**
 * A second opinion on Arrow streams: a slow and plain reader of IPC messages, written from the Arrow columnar format
 * (https://arrow.apache.org/docs/format/Columnar.html) alone. It shares no code with the client, nor with
 * arrow-js. What it calls invalid, a client may not take for rows; what it reads, a client has to read the same way
 * or refuse. It calls invalid only what no value can be read from, or what says two different things.
 */
import { isDeepStrictEqual } from "node:util";
import { zstdDecompressSync } from "node:zlib";
import { judgeColumn, rowNames, type JudgeBody, type JudgeColumn } from "./arrow-judge-columns.ts";
import { Flat, invalid, type Watch } from "./arrow-judge-flatbuffer.ts";
import { judgeLz4 } from "./arrow-judge-lz4.ts";
import { dictionariesOf, judgeSchema, type JudgeField, type JudgeType } from "./arrow-judge-schema.ts";
import type { JudgeValue, Times } from "./arrow-judge-values.ts";

export type JudgeRow = ReadonlyMap<string, JudgeValue>;

/** Made as they are asked for: a batch whose columns take no bytes may have very many. */
export interface JudgeRows {
  readonly length: number;
  at(index: number): JudgeRow;
}

/** Anything above is not worth a judgement: no corpus holds a hundredth of it. */
const mostInflatedBytes = 4_000_000;

/** One stream, message by message. All that it gives, rows too, throws `Invalid` only. */
export class ArrowJudge {
  readonly #times: Times;
  readonly #watch: Watch | undefined;
  readonly #dictionaries = new Map<bigint, JudgeColumn>();
  #fields: readonly JudgeField[] | undefined;
  #dictionaryTypes: ReadonlyMap<bigint, JudgeType> = new Map();

  /** `watch` is told of all places in headers that decide something. */
  constructor(times: Times = "ns", watch?: Watch) {
    this.#times = times;
    this.#watch = watch;
  }

  /** The rows of a record batch; of another message nothing. */
  read({ header, body }: { readonly header: Uint8Array; readonly body: Uint8Array }): JudgeRows | undefined {
    const message = Flat.root(header, this.#watch);
    const version = message.short(0);
    if (version !== 3 && version !== 4) invalid("metadata that is neither V4 nor V5");
    const content = message.table(2) ?? invalid("a message without a header");
    const bodyBytes = message.long(3);
    if (bodyBytes < 0n || bodyBytes > BigInt(body.length)) invalid("a body that is not as long as it says");
    const bytes = body.subarray(0, Number(bodyBytes));
    switch (message.byte(1)) {
      case 1:
        return this.#schema(content);
      case 2:
        return this.#dictionary(content, bytes, version === 3);
      case 3:
        return this.#batch(content, bytes, version === 3);
      default:
        return invalid("a message of another kind");
    }
  }

  #schema(content: Flat): undefined {
    const fields = judgeSchema(content);
    if (this.#fields !== undefined && !isDeepStrictEqual(fields, this.#fields)) invalid("a second schema");
    this.#fields = fields;
    this.#dictionaryTypes = dictionariesOf(fields.map(({ type }) => type));
  }

  #dictionary(content: Flat, bytes: Uint8Array, unionsHaveValidity: boolean): undefined {
    const id = content.long(0);
    const type = this.#dictionaryTypes.get(id) ?? invalid("a dictionary that the schema does not know");
    const data = content.table(1) ?? invalid("a dictionary without values");
    const body = new Body(data, bytes);
    const column = judgeColumn(type, {
      body,
      dictionaries: this.#dictionaries,
      times: this.#times,
      unionsHaveValidity,
    });
    if (BigInt(column.length) !== data.long(0)) invalid("a dictionary of two lengths");
    if (content.byte(2) === 0) this.#dictionaries.set(id, column);
    else this.#extend(id, column);
  }

  #extend(id: bigint, more: JudgeColumn): void {
    const known = this.#dictionaries.get(id) ?? invalid("a delta to nothing");
    this.#dictionaries.set(id, {
      length: known.length + more.length,
      get: (index) => (index < known.length ? known.get(index) : more.get(index - known.length)),
    });
  }

  #batch(content: Flat, bytes: Uint8Array, unionsHaveValidity: boolean): JudgeRows {
    const fields = this.#fields ?? invalid("a batch before the schema");
    const body = new Body(content, bytes);
    const context = { body, dictionaries: this.#dictionaries, times: this.#times, unionsHaveValidity };
    const columns = fields.map((field) => judgeColumn(field.type, context));
    const length = Number(content.long(0));
    if (length < 0 || columns.some((column) => column.length !== length))
      invalid("columns that are not as long as their batch");
    const names = rowNames(fields);
    const at = (index: number): JudgeRow =>
      new Map(columns.map((column, place) => [names[place] ?? "", column.get(index)]));
    return { length, at };
  }
}

class Body implements JudgeBody {
  readonly #bytes: Uint8Array;
  readonly #nodes: bigint[];
  readonly #buffers: bigint[];
  readonly #counts: bigint[];
  /** "none", or the number of the codec. */
  readonly #codec: number | "none";

  constructor(header: Flat, bytes: Uint8Array) {
    const compression = header.table(3);
    this.#bytes = bytes;
    this.#nodes = header.longs(1, 2);
    this.#buffers = header.longs(2, 2);
    this.#codec = compression === undefined ? "none" : compression.byte(0);
    if (compression !== undefined && compression.byte(1) !== 0) invalid("compressed in an unknown way");
    this.#counts = header.longs(4);
  }

  node(): { length: number; nullCount: number } {
    const [length, nullCount] = this.#nodes.splice(0, 2);
    if (length === undefined || nullCount === undefined) invalid("fewer nodes than columns");
    if (length < 0n || length > 2n ** 31n) invalid("a column of such a length");
    return { length: Number(length), nullCount: Number(nullCount) };
  }

  buffer(): DataView {
    const [offset, length] = this.#buffers.splice(0, 2);
    if (offset === undefined || length === undefined) invalid("fewer buffers than columns ask for");
    // Of a buffer without bytes it does not matter where it lies.
    if (length === 0n) return new DataView(new ArrayBuffer(0));
    if (offset < 0n || length < 0n || offset + length > BigInt(this.#bytes.length))
      invalid("a buffer outside of the body");
    const bytes = this.#inflated(this.#bytes.slice(Number(offset), Number(offset + length)));
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  furtherBuffers(): number {
    const count = this.#counts.shift() ?? invalid("views that do not say how many buffers they have");
    if (count < 0n || count > BigInt(this.#buffers.length / 2))
      invalid("more buffers for views than there are");
    return Number(count);
  }

  #inflated(bytes: Uint8Array): Uint8Array {
    if (this.#codec === "none") return bytes;
    if (bytes.length < 8) invalid("a compressed buffer without its size");
    const size = new DataView(bytes.buffer, bytes.byteOffset).getBigInt64(0, true);
    const compressed = bytes.subarray(8);
    // The second: as Arrow's Java writes a buffer of no bytes.
    if (size === -1n || (size === 0n && compressed.length === 0)) return compressed;
    if (size < 0n || size > BigInt(mostInflatedBytes)) invalid("a buffer of such a size");
    if (this.#codec === 0) return judgeLz4(compressed, Number(size));
    return this.#codec === 1 ? zstd(compressed, Number(size)) : invalid("an unknown codec");
  }
}

function zstd(compressed: Uint8Array, size: number): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = zstdDecompressSync(compressed, { maxOutputLength: mostInflatedBytes });
  } catch {
    return invalid("a zstd frame that is damaged");
  }
  return bytes.length === size ? bytes : invalid("a zstd frame of another size");
}
