import { IntervalSet } from "../lib/intervals.ts";
import type { ReadyMessage } from "./prepare.ts";

export interface BatchLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** Messages whose lines travel in one write. A message's lines are never split over two. */
export class Batch {
  readonly #limits: BatchLimits;
  readonly #texts: string[] = [];
  readonly seqs = new IntervalSet();
  readonly messages: ReadyMessage[] = [];
  #bytes = 0;
  #lines = 0;
  #openedMs = 0;
  #schemaVersion = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.messages.length === 0;
  }

  get lineCount(): number {
    return this.#lines;
  }

  /** The oldest version of the schema that any of its lines was fitted to. */
  get schemaVersion(): number {
    return this.#schemaVersion;
  }

  /** The message does not fit in beside what is there. */
  wouldOverflow(message: ReadyMessage): boolean {
    if (this.isEmpty) return false;
    const bytes = this.#bytes + Buffer.byteLength(message.text) + 1;
    return bytes > this.#limits.maxBytes || this.#lines + message.lineCount > this.#limits.maxLines;
  }

  /** `schemaVersion`: what the message's lines were fitted to; it never falls from one to the next. */
  add(message: ReadyMessage, nowMs: number, schemaVersion: number): void {
    if (this.isEmpty) {
      this.#openedMs = nowMs;
      this.#schemaVersion = schemaVersion;
    }
    this.messages.push(message);
    this.#texts.push(message.text);
    this.seqs.add(message.seq, message.seq);
    this.#bytes += Buffer.byteLength(message.text) + 1;
    this.#lines += message.lineCount;
  }

  /** Two batches of half the messages each: how the ones that a server refuses are told from the others. */
  halves(): readonly [Batch, Batch] {
    const halves = [new Batch(this.#limits), new Batch(this.#limits)] as const;
    const middle = Math.ceil(this.messages.length / 2);
    for (const [index, message] of this.messages.entries())
      halves[index < middle ? 0 : 1].add(message, this.#openedMs, this.#schemaVersion);
    return halves;
  }

  /** When it is to be sent: at once when it is full, else when its oldest message has waited long enough. */
  dueInMs(nowMs: number): number {
    if (this.#lines >= this.#limits.maxLines || this.#bytes >= this.#limits.maxBytes) return 0;
    return Math.max(0, this.#openedMs + this.#limits.maxAgeMs - nowMs);
  }

  get text(): string {
    return this.#texts.join("\n");
  }
}
