/**
 * What has to hold for the values of a column, so that no later reader goes out of bounds or gets a wrong value in
 * silence. Each check returns what is wrong, or undefined. A value that is null may be anything. Pure.
 */
import { isAscii, isUtf8 } from "node:buffer";

type Problem = string | undefined;

/** Offsets as 32-bit words in the machine's (little-endian) order; `step` is 2 where they are of 64 bits. */
export interface Offsets {
  readonly words: Int32Array;
  readonly step: 1 | 2;
}

type IndexArray = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

const viewBytes = 16;
const inlineBytes = 12;

/** No bitmap: nothing is null. */
function isNull(bitmap: Uint8Array, index: number): boolean {
  return bitmap.length > 0 && (((bitmap[index >> 3] ?? 0) >> (index & 7)) & 1) === 0;
}

export function countNulls(bitmap: Uint8Array, length: number): number {
  const whole = length >> 3;
  let valid = 0;
  for (let i = 0; i < whole; i += 1) valid += bitsOfByte[bitmap[i] ?? 0] ?? 0;
  if ((length & 7) !== 0) valid += bitsOfByte[(bitmap[whole] ?? 0) & ((1 << (length & 7)) - 1)] ?? 0;
  return length - valid;
}

const bitsOfByte = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest > 0; rest >>= 1) bits += rest & 1;
  return bits;
});

/** `length + 1` offsets that never fall, from 0 or more up to `limit`. */
export function offsetsProblem({ words, step }: Offsets, length: number, limit: number): Problem {
  let previous = 0;
  let wrong = 0;
  for (let i = 0; i <= length; i += 1) {
    const offset = words[i * step] ?? -1;
    // The sign bit collects: a negative offset, a fall, and with 64 bits anything of 2³¹ or more.
    wrong |= offset | (offset - previous);
    if (step === 2 && words[i * 2 + 1] !== 0) wrong = -1;
    previous = offset;
  }
  if (wrong < 0) return "its offsets are negative or fall";
  return previous > limit ? "its offsets point behind the end of its values" : undefined;
}

/** Texts that are UTF-8, one by one. The offsets have been checked. */
export function textProblem(
  { words, step }: Offsets,
  length: number,
  data: Uint8Array,
  bitmap: Uint8Array,
): Problem {
  const start = words[0] ?? 0;
  const all = data.subarray(start, words[length * step] ?? start);
  if (isAscii(all)) return undefined;
  if (isUtf8(all) && startsWithCharacters({ words, step }, length, data)) return undefined;
  for (let i = 0; i < length; i += 1) {
    const value = data.subarray(words[i * step], words[(i + 1) * step]);
    if (!isUtf8(value) && !isNull(bitmap, i)) return `its value ${i} is not UTF-8`;
  }
  return undefined;
}

/** Whether no text begins in the middle of a character: then texts are UTF-8 when all of them together are. */
function startsWithCharacters({ words, step }: Offsets, length: number, data: Uint8Array): boolean {
  const end = words[length * step] ?? 0;
  for (let i = 0; i < length; i += 1) {
    const at = words[i * step] ?? 0;
    if (at < end && ((data[at] ?? 0) & 0xc0) === 0x80) return false;
  }
  return true;
}

interface Views {
  /** Four words a view: length, then 12 bytes of the value, or its first 4 bytes, the number of a buffer and an offset. */
  readonly words: Int32Array;
  readonly length: number;
  readonly bitmap: Uint8Array;
  readonly buffers: readonly Uint8Array[];
  readonly text: boolean;
}

/** Views that lie in their buffers, with the first bytes that are said to be there; UTF-8 where they are text. */
export function viewsProblem({ words, length, bitmap, buffers, text }: Views): Problem {
  const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const ascii = buffers.map((buffer) => isAscii(buffer));
  for (let i = 0; i < length; i += 1) {
    if (isNull(bitmap, i)) continue;
    const size = words[i * 4] ?? -1;
    if (size < 0) return `its view ${i} has a negative length`;
    if (size <= inlineBytes) {
      const start = i * viewBytes + 4;
      if (text && !isUtf8(bytes.subarray(start, start + size))) return `its value ${i} is not UTF-8`;
      continue;
    }
    const number = words[i * 4 + 2] ?? -1;
    const offset = words[i * 4 + 3] ?? -1;
    const buffer = buffers[number];
    if (buffer === undefined || offset < 0 || offset + size > buffer.length)
      return `its view ${i} points outside of its values`;
    if (firstWord(buffer, offset) !== words[i * 4 + 1])
      return `its view ${i} and its value begin differently`;
    if (text && ascii[number] !== true && !isUtf8(buffer.subarray(offset, offset + size)))
      return `its value ${i} is not UTF-8`;
  }
  return undefined;
}

/** What the values behind views take together: many views may share one long value. */
export function viewedBytes({ words, length, bitmap }: Pick<Views, "words" | "length" | "bitmap">): number {
  let bytes = 0;
  for (let i = 0; i < length; i += 1) if (!isNull(bitmap, i)) bytes += words[i * 4] ?? 0;
  return bytes;
}

function firstWord(bytes: Uint8Array, at: number): number {
  const [a = 0, b = 0, c = 0, d = 0] = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
  return a | (b << 8) | (c << 16) | (d << 24);
}

/** Indices into a dictionary of `limit` values. */
export function indicesProblem(indices: IndexArray, bitmap: Uint8Array, limit: number): Problem {
  let highest = -1;
  for (let i = 0; i < indices.length; i += 1) {
    // A negative one becomes a very high one.
    const index = (indices[i] ?? -1) >>> 0;
    if (index > highest) highest = index;
  }
  if (highest < limit) return undefined;
  for (let i = 0; i < indices.length; i += 1) {
    if ((indices[i] ?? -1) >>> 0 >= limit && !isNull(bitmap, i)) {
      return `its value ${i} is not in its dictionary of ${limit} values`;
    }
  }
  return undefined;
}

/** 64-bit indices in 32 bits. One that does not fit becomes -1, which is in no dictionary. */
export function narrowIndices(words: Int32Array, length: number): Int32Array {
  const indices = new Int32Array(length);
  for (let i = 0; i < length; i += 1)
    indices[i] = words[i * 2 + 1] === 0 ? Math.max(words[i * 2] ?? -1, -1) : -1;
  return indices;
}

/** Type ids of a union's children; in a dense one also the places in them, where `childLengths` says how long they are. */
export function unionProblem(
  ids: Int8Array,
  offsets: Int32Array | undefined,
  childLengths: ReadonlyMap<number, number>,
): Problem {
  const limits = new Int32Array(256).fill(-1);
  for (const [id, length] of childLengths) limits[id] = length;
  for (let i = 0; i < ids.length; i += 1) {
    const limit = limits[(ids[i] ?? -1) & 0xff] ?? -1;
    if (limit < 0) return `its value ${i} has the type id ${ids[i]}, which the schema does not know`;
    if (offsets === undefined) continue;
    const offset = offsets[i] ?? -1;
    if (offset < 0 || offset >= limit) return `its value ${i} points outside of its values`;
  }
  return undefined;
}
