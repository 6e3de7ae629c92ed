/**
 * The journal as the pipeline sees it, in memory: append, read, settle, evict. `crash` forgets what was
 * settled since the last `save`, as the file does.
 */
import { IntervalSet } from "../../../src/lib/intervals.ts";
import type { IncomingMessage, JournalMessage } from "../../../src/journal/message.ts";
import type { MessageLog } from "../../../src/pipeline/ports.ts";

export class MemoryLog implements MessageLog {
  readonly id = "11111111-2222-3333-4444-555555555555";
  readonly #messages = new Map<number, JournalMessage>();
  #saved = new IntervalSet();
  settled = new IntervalSet();
  lastSeq = 0;
  /** Messages handed out by `read`. */
  readCount = 0;
  /** What `keepFrom` was told. */
  readonly keptFrom: number[] = [];

  append(message: Pick<IncomingMessage, "topic" | "payload"> & Partial<JournalMessage>): JournalMessage {
    this.lastSeq += 1;
    const stored: JournalMessage = {
      source: "mqtt",
      receivedMs: Date.UTC(2026, 0, 1),
      uptimeMs: 1000,
      clockTrusted: true,
      duplicate: false,
      retained: false,
      qos: 1,
      bootKey: 1,
      ...message,
      seq: this.lastSeq,
    };
    this.#messages.set(stored.seq, stored);
    return stored;
  }

  read(lo: number, hi: number, maxCount: number): JournalMessage[] {
    const found: JournalMessage[] = [];
    for (let seq = lo; seq <= hi && found.length < maxCount; seq += 1) {
      const message = this.#messages.get(seq);
      if (message !== undefined) found.push(message);
    }
    this.readCount += found.length;
    return found;
  }

  settle(lo: number, hi: number): void {
    this.settled.add(lo, hi);
  }

  keepFrom(seq: number): void {
    this.keptFrom.push(seq);
  }

  /** The quota took them: gone and, for everybody who asks, done. */
  evict(lo: number, hi: number): void {
    this.lose(lo, hi);
    this.settled.add(lo, hi);
  }

  /** Gone without being settled. */
  lose(lo: number, hi: number): void {
    for (let seq = lo; seq <= hi; seq += 1) this.#messages.delete(seq);
  }

  save(): void {
    this.#saved = IntervalSet.of(this.settled.intervals);
  }

  crash(): void {
    this.settled = IntervalSet.of(this.#saved.intervals);
  }

  get backlog(): number {
    return this.lastSeq - this.settled.countWithin(1, this.lastSeq);
  }
}
