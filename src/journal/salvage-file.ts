import { closeSync, openSync, readSync, statSync } from "node:fs";
import { frameHeaderBytes, walHeaderBytes, committedFrames } from "./salvage-wal.ts";
import { firstSeqOn, messagesOn } from "./salvage-page.ts";
import type { MessageRow } from "./message.ts";

/** Before a page of the file, or a frame of its WAL, in the order of handing over. Durable in progress files. */
export interface Position {
  readonly slab: number;
  readonly firstSeq: number;
  readonly place: number;
}

/** Pages whose order is kept in memory at once: 4 GiB of a journal. More of them are in the order of the file. */
const slabPages = 1_048_576;
/** Places from here on are frames of the WAL. */
const wal = 2 ** 40;
/** What SQLite takes for a new file, and so of every journal. */
const pageBytes = 4096;
const frameBytes = frameHeaderBytes + pageBytes;

/**
 * A journal that was moved aside, page by page: those of the file and those in the frames of its WAL, in the
 * order of their first seq, so that what is oldest comes first. Nothing is written, and a page that the disk
 * does not give is left out.
 *
 * The last slab is what stands in the WAL behind its last valid commit: a seq that comes there once more may be
 * another message, which was never committed, and the earlier one counts.
 */
export class SalvageFile implements Disposable {
  readonly #fd: number | undefined;
  readonly #walFd: number | undefined;
  readonly #pageCount: number;
  readonly #frameCount: number;
  readonly #committedFrames: number;
  /** The newest frame of each page. */
  readonly #newestFrames = new Map<number, number>();

  constructor(file: string) {
    this.#fd = openIfThere(file);
    this.#walFd = openIfThere(`${file}-wal`);
    this.#pageCount = Math.floor(sizeOf(file) / pageBytes);
    this.#frameCount = Math.max(0, Math.floor((sizeOf(`${file}-wal`) - walHeaderBytes) / frameBytes));
    const header = readAt(this.#walFd, 0, walHeaderBytes) ?? Buffer.alloc(0);
    this.#committedFrames = committedFrames(header, this.#frameCount, (index) => this.#frame(index));
    for (let index = 0; index < this.#frameCount; index += 1) {
      const page = this.#frame(index)?.readUInt32BE(0);
      if (page !== undefined) this.#newestFrames.set(page, index);
    }
  }

  /** The pages behind `after`, or all; rows in the order of their pages. */
  *pages(after?: Position): Generator<{ readonly position: Position; readonly rows: Iterable<MessageRow> }> {
    for (const [slab, places] of this.#slabs().entries()) {
      if (after !== undefined && slab < after.slab) continue;
      const order: Position[] = [];
      for (const place of places) {
        const page = this.#page(place);
        const firstSeq = page && firstSeqOn(page);
        if (firstSeq !== undefined) order.push({ slab, firstSeq, place });
      }
      order.sort(compare);
      for (const position of order) {
        if (after === undefined || compare(position, after) > 0) yield this.#rowsAt(position);
      }
    }
  }

  /** The pages up to and with `last`. */
  *pagesUpTo(last: Position): Generator<MessageRow> {
    for (const { position, rows } of this.pages()) {
      if (compare(position, last) > 0) return;
      yield* rows;
    }
  }

  #rowsAt(position: Position): { readonly position: Position; readonly rows: Iterable<MessageRow> } {
    const page = this.#page(position.place);
    const overflow = (first: number, length: number): Iterable<Buffer> => this.#chains(first, length);
    return { position, rows: page === undefined ? [] : messagesOn(page, overflow) };
  }

  #slabs(): Iterable<number>[] {
    const slabs: Iterable<number>[] = [];
    const committed = this.#committedFrames;
    for (let from = 0; from < this.#pageCount; from += slabPages) {
      slabs.push(range(from, Math.min(this.#pageCount, from + slabPages)));
    }
    // A WAL is small beside a slab.
    const first = chain(slabs[0] ?? [], range(wal, wal + committed));
    return [first, ...slabs.slice(1), range(wal + committed, wal + this.#frameCount)];
  }

  /** An overflow page that was written again may be right in the WAL or in the file: the row's checksum tells. */
  *#chains(firstPage: number, length: number): Generator<Buffer> {
    for (const prefersWal of [true, false]) {
      const chain = this.#chain(firstPage, length, prefersWal);
      if (chain !== undefined) yield chain;
    }
  }

  #chain(firstPage: number, length: number, prefersWal: boolean): Buffer | undefined {
    const parts: Buffer[] = [];
    let next = firstPage;
    let left = length;
    while (left > 0) {
      const frame = prefersWal ? this.#newestFrames.get(next) : undefined;
      const page = next === 0 ? undefined : this.#page(frame === undefined ? next - 1 : wal + frame);
      if (page === undefined) return undefined;
      parts.push(page.subarray(4, 4 + left));
      left -= page.length - 4;
      next = page.readUInt32BE(0);
    }
    return Buffer.concat(parts);
  }

  /** Whole, or undefined. Page n of the file is at the place n − 1. */
  #page(place: number): Buffer | undefined {
    if (place >= wal) return this.#frame(place - wal)?.subarray(frameHeaderBytes);
    return readAt(this.#fd, place * pageBytes, pageBytes);
  }

  #frame(index: number): Buffer | undefined {
    return readAt(this.#walFd, walHeaderBytes + index * frameBytes, frameBytes);
  }

  [Symbol.dispose](): void {
    for (const fd of [this.#fd, this.#walFd]) if (fd !== undefined) closeSync(fd);
  }
}

function compare(a: Position, b: Position): number {
  return a.slab - b.slab || a.firstSeq - b.firstSeq || a.place - b.place;
}

function* range(from: number, end: number): Generator<number> {
  for (let value = from; value < end; value += 1) yield value;
}

function* chain(first: Iterable<number>, second: Iterable<number>): Generator<number> {
  yield* first;
  yield* second;
}

function openIfThere(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.isFile() === true ? openSync(file, "r") : undefined;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

/** Undefined: it ends before that, or the disk cannot read it. */
function readAt(fd: number | undefined, at: number, length: number): Buffer | undefined {
  if (fd === undefined) return undefined;
  const bytes = Buffer.allocUnsafe(length);
  try {
    return readSync(fd, bytes, 0, length, at) === length ? bytes : undefined;
  } catch {
    // EIO: the sector is gone, and that is what is being salvaged from.
    return undefined;
  }
}
