/**
 * What the salvage process says, one frame for each byte that it is sent, so that never more than one is under
 * way: a length of four bytes (little-endian), then that many of V8's serialization.
 */
import { deserialize, serialize } from "node:v8";
import { assert } from "../lib/fault.ts";
import type { MessageRow } from "./message.ts";
import type { Position } from "./salvage-file.ts";

/** A boot that the old journal knew (schema.ts). */
export interface OldBoot {
  readonly key: number;
  readonly bootId: string;
  readonly offsetMs: number | undefined;
  readonly isDecided: boolean;
}

/** Rows that are still owed, from pages up to `position`; `boot` is a key of the old journal. */
export interface SalvagedRows {
  readonly kind: "rows";
  readonly rows: readonly MessageRow[];
  readonly position: Position;
}

export interface SalvageEnd {
  readonly kind: "end";
  /** Owed messages that could be read, the ones of an earlier run too. */
  readonly recovered: number;
  /** Owed messages that could not: gaps between the seqs that are known. */
  readonly lost: number;
  /** Messages that were done, read or not. */
  readonly settled: number;
  /** The file's own count of messages that its quota had evicted unsent, and of the minor ones; 0: not known. */
  readonly evicted: number;
  readonly evictedMinor: number;
  /** Else all that can be read is taken to be owed. */
  readonly isSettlementKnown: boolean;
}

export type SalvageFrame =
  | { readonly kind: "begin"; readonly boots: readonly OldBoot[] }
  | SalvagedRows
  | SalvageEnd
  /** It was written by a newer Flightline, or is another program's. */
  | { readonly kind: "foreign" };

/** More than all the rows that can begin on one page. */
const maxFrameBytes = 16 * 1024 * 1024;
const lengthBytes = 4;

export function packFrame(frame: SalvageFrame): Buffer {
  const body = serialize(frame);
  const packed = Buffer.alloc(lengthBytes + body.length);
  packed.writeUInt32LE(body.length);
  body.copy(packed, lengthBytes);
  return packed;
}

/** Puts frames together from what a pipe gives. Throws for what is no frame. */
export class FrameReader {
  #parts: Buffer[] = [];
  #bytes = 0;

  /** The frame that is whole now; there is never a second one behind it. */
  read(chunk: Buffer): SalvageFrame | undefined {
    this.#parts.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes < lengthBytes) return undefined;
    const [first = chunk] = this.#parts;
    const head = first.length < lengthBytes ? Buffer.concat(this.#parts) : first;
    const length = head.readUInt32LE(0);
    assert(length <= maxFrameBytes, "the salvage process sends what is no frame");
    if (this.#bytes < lengthBytes + length) return undefined;
    const whole = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    // Of our own program, of the same version.
    return deserialize(whole.subarray(lengthBytes)) as SalvageFrame;
  }
}
