import { contentBytes, type JournalMessage } from "./message.ts";

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
      this.#bytes += contentBytes(message);
    }
    if (this.#messages.length > maxCount || this.#bytes > maxBytes) this.#dropOldest();
  }

  /** Half of it at a time: the array is copied once per half a tail, not once per commit. */
  #dropOldest(): void {
    let drop = 0;
    while (this.#messages.length - drop > maxCount / 2 || this.#bytes > maxBytes / 2) {
      const oldest = this.#messages[drop];
      if (oldest !== undefined) this.#bytes -= contentBytes(oldest);
      drop += 1;
    }
    this.#messages = this.#messages.slice(drop);
  }

  /** Messages with lo ≤ seq ≤ hi, at most `count`; undefined when the tail does not reach back to `lo`. */
  read(lo: number, hi: number, count: number): JournalMessage[] | undefined {
    const first = this.#messages[0]?.seq;
    if (first === undefined || lo < first) return undefined;
    return this.#messages.slice(lo - first, Math.max(0, Math.min(hi - first + 1, lo - first + count)));
  }
}
