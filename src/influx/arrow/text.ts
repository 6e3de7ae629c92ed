/**
 * Text and bytes of variable length: offsets into one buffer, or views into several.
 *
 * A short text that repeats (a tag) is decoded once per batch. Bytes are copied, so that a row does not keep the 2 MiB of
 * its batch alive; strings never share memory with it.
 */
import { constants } from "node:buffer";
import { offsetsOf, valuesOf, type Bind, type Get } from "./column-reader.ts";
import { decodedTooBig, placeOf } from "./faults.ts";

const viewBytes = 16;
const maxInlineBytes = 12;
/** Longer ones cost more to compare than to decode. */
const maxCachedBytes = 32;
const cacheSlots = 1024;
/** Fewer values are not worth a table. */
const minCachedValues = 64;
/** After so many look-ups a table that has not helped in half of them is given up. */
const trialLookups = 512;

type TextAt = (begin: number, end: number) => string;

export function textReader(column: string): Bind {
  return (data) => {
    const bytes = asBuffer(valuesOf(data, Uint8Array, 0));
    const offsets = offsetsOf(data);
    const textAt = cached(bytes, data.length, decoder(bytes, column));
    return (index) => textAt(offsets[index] as number, offsets[index + 1] as number);
  };
}

export function binaryReader(): Bind {
  return (data) => {
    const bytes = valuesOf(data, Uint8Array, 0);
    const offsets = offsetsOf(data);
    return (index) => copy(bytes, offsets[index] as number, offsets[index + 1] as number);
  };
}

export function fixedBinaryReader(width: number): Bind {
  return (data) => {
    const bytes = valuesOf(data, Uint8Array, width);
    return (index) => copy(bytes, index * width, (index + 1) * width);
  };
}

export function textViewReader(column: string): Bind {
  return (data) => {
    const views = asBuffer(valuesOf(data, Uint8Array, viewBytes));
    const shortText = cached(views, data.length, decoder(views, column));
    const longTexts = data.variadicBuffers.map((bytes) => decoder(asBuffer(bytes), column));
    return viewReader(views, (buffer, begin, end) =>
      buffer === undefined ? shortText(begin, end) : (longTexts[buffer] as TextAt)(begin, end),
    );
  };
}

export function binaryViewReader(): Bind {
  return (data) => {
    const views = asBuffer(valuesOf(data, Uint8Array, viewBytes));
    return viewReader(views, (buffer, begin, end) =>
      copy(buffer === undefined ? views : (data.variadicBuffers[buffer] as Uint8Array), begin, end),
    );
  };
}

/**
 * A view is its length, and either the bytes themselves or 4 of them, the number of a buffer and an offset in it
 * (https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout).
 */
function viewReader(
  views: Buffer,
  read: (buffer: number | undefined, begin: number, end: number) => string | Uint8Array,
): Get {
  return (index) => {
    const view = index * viewBytes;
    const length = views.readInt32LE(view);
    if (length <= maxInlineBytes) return read(undefined, view + 4, view + 4 + length);
    const begin = views.readInt32LE(view + 12);
    return read(views.readInt32LE(view + 8), begin, begin + length);
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copy(bytes: Uint8Array, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(begin, end));
}

function decoder(bytes: Buffer, column: string): TextAt {
  return (begin, end) => {
    if (end - begin > constants.MAX_STRING_LENGTH) {
      throw decodedTooBig(`a text of ${placeOf(column)}`, constants.MAX_STRING_LENGTH);
    }
    return bytes.toString("utf8", begin, end);
  };
}

/** A small table of the texts seen last, found by a few of their bytes and compared in full. */
function cached(bytes: Buffer, values: number, decode: TextAt): TextAt {
  if (values < minCachedValues) return decode;
  const begins = new Uint32Array(cacheSlots);
  const texts: (string | undefined)[] = Array.from({ length: cacheSlots });
  const lengths = new Uint8Array(cacheSlots);
  let lookups = 0;
  let hits = 0;
  return (begin, end) => {
    const length = end - begin;
    if (length === 0) return "";
    if (length > maxCachedBytes || (lookups === trialLookups && hits < trialLookups / 2))
      return decode(begin, end);
    if (lookups < trialLookups) lookups += 1;
    const slot = slotOf(bytes, begin, length);
    const known = texts[slot];
    if (
      known !== undefined &&
      lengths[slot] === length &&
      isEqual(bytes, begins[slot] as number, begin, length)
    ) {
      if (lookups < trialLookups) hits += 1;
      return known;
    }
    const text = decode(begin, end);
    begins[slot] = begin;
    lengths[slot] = length;
    texts[slot] = text;
    return text;
  };
}

/** Tags that differ mostly differ near their end. */
function slotOf(bytes: Buffer, begin: number, length: number): number {
  const last = begin + length - 1;
  let hash = length * 31 + (bytes[begin + (length >> 1)] as number);
  for (let at = Math.max(begin, last - 3); at <= last; at += 1)
    hash = Math.imul(hash, 33) ^ (bytes[at] as number);
  return (hash ^ (hash >>> 10)) & (cacheSlots - 1);
}

function isEqual(bytes: Buffer, one: number, other: number, length: number): boolean {
  for (let at = 0; at < length; at += 1) if (bytes[one + at] !== bytes[other + at]) return false;
  return true;
}
