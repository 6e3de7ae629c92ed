import { sealOf } from "./checksum.ts";
import type { MessageRow } from "./message.ts";

/**
 * Rows of the `message` table, read from a page of a SQLite file without SQLite: one damaged page above them
 * in the tree would hide a thousand whole ones from it. Pure. The format: https://www.sqlite.org/fileformat2.html
 * §1.6 (b-tree pages), §2.1 (records).
 *
 * A page of another table, a page that is no longer used and one full of noise are all the same here: what
 * is given back is what decodes as a row of ours to the last byte, with a checksum that is right. A row of a
 * time without checksums passes on its shape alone. (The file's first page, which begins with a header, is the
 * root of the schema and never has messages.)
 */
const tableLeaf = 0x0d;
const leafHeaderBytes = 8;
/** Of a row: more than a source hands over, and so few that a page of rows fits into a frame. */
const maxRowBytes = 1024 * 1024;

/** What follows on overflow pages: each way to read `length` bytes from that page on. */
export type Overflow = (firstPage: number, length: number) => Iterable<Buffer>;

/** By which pages are put into order; undefined: no leaf of a table. */
export function firstSeqOn(page: Buffer): number | undefined {
  for (const at of cellsOf(page)) {
    const rowBytes = varint(page, at);
    const seq = rowBytes && varint(page, rowBytes.end);
    if (seq !== undefined) return seq.value;
  }
  return undefined;
}

export function* messagesOn(page: Buffer, overflow: Overflow): Generator<MessageRow> {
  for (const at of cellsOf(page)) {
    const rowBytes = varint(page, at);
    const seq = rowBytes && varint(page, rowBytes.end);
    if (rowBytes === undefined || seq === undefined || rowBytes.value > maxRowBytes) continue;
    for (const record of recordsAt(page, seq.end, rowBytes.value, overflow)) {
      const row = messageOf(seq.value, record);
      if (row === undefined || sealOf(row) === "broken") continue;
      yield row;
      break;
    }
  }
}

function* cellsOf(page: Buffer): Generator<number> {
  if (page[0] !== tableLeaf) return;
  // The count may be damaged; there is no room for more pointers than that.
  const count = Math.min(page.readUInt16BE(3), Math.floor((page.length - leafHeaderBytes) / 2));
  for (let index = 0; index < count; index += 1) yield page.readUInt16BE(leafHeaderBytes + 2 * index);
}

function* recordsAt(page: Buffer, at: number, rowBytes: number, overflow: Overflow): Generator<Buffer> {
  const here = localBytes(rowBytes, page.length);
  if (at + here > page.length) return;
  const local = page.subarray(at, at + here);
  if (here === rowBytes) {
    yield local;
    return;
  }
  if (at + here + 4 > page.length) return;
  const firstPage = page.readUInt32BE(at + here);
  for (const rest of overflow(firstPage, rowBytes - here)) yield Buffer.concat([local, rest]);
}

/** How much of a row is on its leaf; the rest is on overflow pages. */
function localBytes(rowBytes: number, pageBytes: number): number {
  const most = pageBytes - 35;
  if (rowBytes <= most) return rowBytes;
  const least = Math.floor(((pageBytes - 12) * 32) / 255) - 23;
  const wanted = least + ((rowBytes - least) % (pageBytes - 4));
  return wanted <= most ? wanted : least;
}

const columnCount = 8;
/** Of a number of 28 bits. One in more bytes than it needs is what zeros over a checksum leave behind. */
const typesOfUnsealed: ReadonlySet<number> = new Set([1, 2, 3, 4, 8, 9]);

function messageOf(seq: number, record: Buffer): MessageRow | undefined {
  const types = columnTypes(record);
  if (types === undefined) return undefined;
  const values: Value[] = [];
  let at = types.end;
  for (const type of types.values) {
    const bytes = bytesOf(type);
    if (bytes === undefined) return undefined;
    values.push(valueOf(record, at, type, bytes));
    at += bytes;
  }
  const [key, source, topic, payload, receivedMs, uptimeMs, boot, flags] = values;
  // The key column is the seq, and NULL in the record.
  if (at !== record.length || key !== null) return undefined;
  if (typeof source !== "string" || typeof topic !== "string" || !Buffer.isBuffer(payload)) return undefined;
  if (typeof receivedMs !== "number" || typeof uptimeMs !== "number") return undefined;
  if (typeof boot !== "number" || typeof flags !== "number") return undefined;
  const row = { seq, source, topic, payload, received_ms: receivedMs, uptime_ms: uptimeMs, boot, flags };
  const mayHaveNoSeal = typesOfUnsealed.has(types.values[columnCount - 1] ?? 0);
  return mayHaveNoSeal || sealOf(row) !== "none" ? row : undefined;
}

function columnTypes(
  record: Buffer,
): { readonly values: readonly number[]; readonly end: number } | undefined {
  const headerBytes = varint(record, 0);
  if (headerBytes === undefined || headerBytes.value > record.length) return undefined;
  const values: number[] = [];
  let at = headerBytes.end;
  while (at < headerBytes.value && values.length < columnCount) {
    const type = varint(record, at);
    if (type === undefined) return undefined;
    values.push(type.value);
    at = type.end;
  }
  if (at !== headerBytes.value || values.length !== columnCount) return undefined;
  return { values, end: at };
}

type Value = string | number | Buffer | null | undefined;

const intBytes = [0, 1, 2, 3, 4, 6, 8] as const;

/** Undefined: no type that a row of ours has. */
function bytesOf(type: number): number | undefined {
  if (type === 8 || type === 9) return 0;
  if (type >= 12) return Math.floor((type - 12) / 2);
  return intBytes[type];
}

/** Undefined: it is not that. */
function valueOf(record: Buffer, at: number, type: number, bytes: number): Value {
  if (at + bytes > record.length) return undefined;
  if (type === 0) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type === 6) return Number(record.readBigInt64BE(at));
  if (type < 6) return record.readIntBE(at, bytes);
  const content = record.subarray(at, at + bytes);
  return type % 2 === 0 ? content : textOf(content);
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    // Damage has made it something else than text.
    return undefined;
  }
}

/** Undefined: it is cut off, negative, or larger than any length or seq of ours. */
function varint(bytes: Buffer, at: number): { readonly value: number; readonly end: number } | undefined {
  let value = 0;
  for (let index = at; index < at + 8; index += 1) {
    const byte = bytes[index];
    if (byte === undefined) return undefined;
    value = value * 128 + (byte & 0x7f);
    if (value > Number.MAX_SAFE_INTEGER) return undefined;
    if (byte < 0x80) return { value, end: index + 1 };
  }
  return undefined;
}
