import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../lib/fault.ts";

const idBytes = 36;
const recordBytes = idBytes + 8;

/**
 * Says, to the next process, which message this one was decoding when it died. The seq is written to a
 * small file before each decode: one pwrite into the page cache (1–2 µs), which outlives the process. It
 * is not synced: a power cut is not the message's doing.
 *
 * What was left behind stays in the file until `arm`: whoever starts must have written the death down
 * first, or a full disk at that moment would forget it.
 *
 * Format: the journal's id (36 bytes of ASCII), then the seq as a little-endian 64-bit integer, 0 for none.
 */
export class DecodeMarker {
  readonly #fd: number;
  readonly #journalId: string;
  #isArmed = false;
  readonly #seq = Buffer.alloc(8);
  /** What a previous process left behind, if it died while decoding. */
  readonly left: { readonly journalId: string; readonly seq: number } | undefined;

  /** `dir` should be on a tmpfs that lives as long as the boot; the journal's own directory will do. */
  constructor(dir: string, journalId: string) {
    // Not "w+", which would empty it, and not "a+", which would write at its end.
    this.#fd = openSync(join(dir, "decoding"), constants.O_RDWR | constants.O_CREAT, 0o640);
    this.#journalId = journalId;
    this.left = this.#read();
  }

  /** What was left has been seen to: from here on the file is about this process. */
  arm(): void {
    // The old seq must never stand beside the new id.
    this.#write(0);
    writeSync(this.#fd, this.#journalId.padEnd(idBytes).slice(0, idBytes), 0, "ascii");
    this.#isArmed = true;
  }

  #read(): { journalId: string; seq: number } | undefined {
    const record = Buffer.alloc(recordBytes);
    if (readSync(this.#fd, record, 0, recordBytes, 0) < recordBytes) return undefined;
    const seq = Number(record.readBigUInt64LE(idBytes));
    return seq === 0 ? undefined : { journalId: record.toString("ascii", 0, idBytes).trim(), seq };
  }

  begin(seq: number): void {
    // Before it, a death would be forgotten; and the number of a closed descriptor is soon another file's.
    assert(this.#isArmed, "a message is decoded before the start or after the end");
    this.#write(seq);
  }

  #write(seq: number): void {
    this.#seq.writeUInt32LE(seq >>> 0, 0);
    this.#seq.writeUInt32LE(Math.floor(seq / 2 ** 32), 4);
    writeSync(this.#fd, this.#seq, 0, 8, idBytes);
  }

  clear(): void {
    this.begin(0);
  }

  close(): void {
    this.#isArmed = false;
    closeSync(this.#fd);
  }
}
