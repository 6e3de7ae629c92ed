import { IntervalSet } from "../lib/intervals.ts";
import type { ReadyUplink } from "./prepare.ts";

export interface BatchLimits {
  readonly maxLines: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

/** Uplinks whose lines travel in one write. An uplink's lines are never split over two. */
export class Batch {
  readonly #limits: BatchLimits;
  readonly #texts: string[] = [];
  readonly seqs = new IntervalSet();
  readonly uplinks: ReadyUplink[] = [];
  #bytes = 0;
  #lines = 0;
  #openedMs = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get isEmpty(): boolean {
    return this.uplinks.length === 0;
  }

  get lineCount(): number {
    return this.#lines;
  }

  /** The uplink does not fit in beside what is there. */
  wouldOverflow(uplink: ReadyUplink): boolean {
    if (this.isEmpty) return false;
    const bytes = this.#bytes + Buffer.byteLength(uplink.text) + 1;
    return bytes > this.#limits.maxBytes || this.#lines + uplink.lineCount > this.#limits.maxLines;
  }

  add(uplink: ReadyUplink, nowMs: number): void {
    if (this.isEmpty) this.#openedMs = nowMs;
    this.uplinks.push(uplink);
    this.#texts.push(uplink.text);
    this.seqs.add(uplink.seq, uplink.seq);
    this.#bytes += Buffer.byteLength(uplink.text) + 1;
    this.#lines += uplink.lineCount;
  }

  /** Two batches of half the uplinks each: how the ones that a server refuses are told from the others. */
  halves(): readonly [Batch, Batch] {
    const halves = [new Batch(this.#limits), new Batch(this.#limits)] as const;
    const middle = Math.ceil(this.uplinks.length / 2);
    for (const [index, uplink] of this.uplinks.entries())
      halves[index < middle ? 0 : 1].add(uplink, this.#openedMs);
    return halves;
  }

  /** When it is to be sent: at once when it is full, else when its oldest uplink has waited long enough. */
  dueInMs(nowMs: number): number {
    if (this.#lines >= this.#limits.maxLines || this.#bytes >= this.#limits.maxBytes) return 0;
    return Math.max(0, this.#openedMs + this.#limits.maxAgeMs - nowMs);
  }

  get text(): string {
    return this.#texts.join("\n");
  }
}
