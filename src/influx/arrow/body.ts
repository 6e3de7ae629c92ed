/**
 * The body of a record batch, taken apart as its header says: nodes and buffers in the order of the schema. Buffers lie
 * inside the body, begin at multiples of 8 and follow each other without overlap, as the format has it. They are slices
 * of the body; compressed ones are decompressed as they are asked for. Throws `Fault` only.
 */
import type { Inflater } from "./compression.ts";
import { badStream } from "./faults.ts";
import type { BatchHeader } from "./header.ts";

export interface Node {
  readonly length: number;
  readonly nullCount: number;
}

/** Where the loader has its nodes and buffers from. */
export interface BodySource {
  node(): Node;
  buffer(): Uint8Array;
  /** How many buffers belong to the views whose turn it is. */
  variadicCount(): number;
}

/** As the format recommends; beyond that, bit arithmetic would go wrong. */
const mostValues = 2 ** 31 - 1;

/** Of no values at all, for any schema. */
export const emptySource: BodySource = {
  node: () => ({ length: 0, nullCount: 0 }),
  buffer: () => new Uint8Array(0),
  variadicCount: () => 0,
};

export class MessageBody implements BodySource {
  readonly #header: BatchHeader;
  readonly #bytes: Uint8Array;
  readonly #inflater: Inflater;
  #nodes = 0;
  #buffers = 0;
  #variadics = 0;
  #end = 0;

  constructor(header: BatchHeader, bytes: Uint8Array, inflater: Inflater) {
    this.#header = header;
    this.#bytes = bytes;
    this.#inflater = inflater;
  }

  node(): Node {
    const { nodes } = this.#header;
    const [length, nullCount] = [nodes[2 * this.#nodes], nodes[2 * this.#nodes + 1]];
    if (length === undefined || nullCount === undefined)
      throw badStream("a batch has fewer nodes than its schema asks for");
    this.#nodes += 1;
    if (length < 0 || length > mostValues) throw badStream(`a batch has a column of ${length} values`);
    return { length, nullCount };
  }

  buffer(): Uint8Array {
    const { buffers } = this.#header;
    const [offset, length] = [buffers[2 * this.#buffers], buffers[2 * this.#buffers + 1]];
    if (offset === undefined || length === undefined)
      throw badStream("a batch has fewer buffers than its schema asks for");
    this.#buffers += 1;
    if (length === 0) return this.#bytes.subarray(0, 0);
    if (length < 0 || offset < 0 || offset + length > this.#bytes.length) {
      throw badStream(
        `a buffer of ${length} bytes at ${offset} does not lie in its body of ${this.#bytes.length} bytes`,
      );
    }
    if (offset % 8 !== 0) throw badStream(`a buffer begins at ${offset}, which is no multiple of 8`);
    if (offset < this.#end)
      throw badStream(`a buffer begins at ${offset}, before the end of the one before it`);
    this.#end = offset + length;
    return this.#inflater.inflate(this.#header.codec, this.#bytes.subarray(offset, offset + length));
  }

  variadicCount(): number {
    const count = this.#header.variadicBufferCounts[this.#variadics];
    if (count === undefined) throw badStream("a batch does not say how many buffers its views have");
    this.#variadics += 1;
    if (count < 0 || count > this.#header.buffers.length / 2 - this.#buffers) {
      throw badStream(`a batch has views with ${count} buffers, which it does not have`);
    }
    return count;
  }

  /** Everything has been asked for. */
  finish(): void {
    const { nodes, buffers, variadicBufferCounts } = this.#header;
    if (2 * this.#nodes !== nodes.length) throw badStream("a batch has more nodes than its schema asks for");
    if (2 * this.#buffers !== buffers.length)
      throw badStream("a batch has more buffers than its schema asks for");
    if (this.#variadics !== variadicBufferCounts.length)
      throw badStream("a batch has more counts of buffers than views");
  }
}
