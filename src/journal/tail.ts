import type { JournalMessage } from "./message.ts";

const maxCount = 4096;
const maxBytes = 8 * 1024 * 1024;

/**
 * The newest committed messages, in memory, so that a consumer that keeps up never reads the disk. Always a
 * run of consecutive seqs that ends at the newest.
 */
export class Tail {
  #messages: JournalMessage[] = [];
  #bytes = 0;

  push(messages: readonly JournalMessage[]): void {
    for (const message of messages) {
      this.#messages.push(message);
      this.#bytes += message.payload.length;
    }
    let drop = Math.max(0, this.#messages.length - maxCount);
    let excess = this.#bytes - maxBytes;
    for (let index = 0; index < this.#messages.length && (index < drop || excess > 0); index += 1) {
      const bytes = this.#messages[index]?.payload.length ?? 0;
      this.#bytes -= bytes;
      excess -= bytes;
      drop = Math.max(drop, index + 1);
    }
    // Trimming in steps keeps this cheap: an array is copied once per half a tail, not once per commit.
    if (drop > 0) this.#messages = this.#messages.slice(drop);
  }

  /** Messages with lo ≤ seq ≤ hi, at most `count`; undefined when the tail does not reach back to `lo`. */
  read(lo: number, hi: number, count: number): JournalMessage[] | undefined {
    const first = this.#messages[0]?.seq;
    if (first === undefined || lo < first) return undefined;
    return this.#messages.slice(lo - first, Math.min(hi - first + 1, lo - first + count));
  }
}
