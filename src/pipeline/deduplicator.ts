import { hash } from "node:crypto";
import type { IntervalSet } from "../lib/intervals.ts";

/**
 * Recognises an event that the broker delivered twice: the same bytes under another seq. ChirpStack v4
 * puts a deduplication id and a nanosecond time into each event, so equal bytes are one event; a message
 * without such an id counts as a copy only when the broker marked it as a redelivery (`mayRepeat`).
 * Comparing bytes instead of ids means that no payload, however odd, can make another one disappear.
 *
 * The first seq seen is the one that is sent. A copy of a settled one is settled at once. A copy of one
 * that is not settled yet *follows* it: both are settled together. So "settled" always means that the
 * event is in InfluxDB, also after a crash between the two, and the memory can be rebuilt from the log by
 * preferring settled messages.
 *
 * Bounded: an event is forgotten after `capacity` newer ones. A copy that comes later still gives the
 * same point, because its time and tags come from the event.
 */
export class Deduplicator {
  readonly #capacity: number;
  readonly #settled: IntervalSet;
  readonly #firstSeq = new Map<string, number>();
  readonly #followers = new Map<number, number[]>();

  constructor(capacity: number, settled: IntervalSet) {
    this.#capacity = capacity;
    this.#settled = settled;
  }

  /** For messages of the log's tail, oldest first, before anything is examined. */
  remember(payload: Uint8Array, seq: number): void {
    const key = contentKey(payload);
    const known = this.#firstSeq.get(key);
    if (known === undefined || (!this.#settled.has(known) && this.#settled.has(seq))) this.#set(key, seq);
  }

  examine(payload: Uint8Array, seq: number, mayRepeat: boolean): "new" | "duplicate" | "follows" {
    const key = contentKey(payload);
    const first = mayRepeat ? this.#firstSeq.get(key) : undefined;
    if (first === undefined || first === seq) {
      this.#set(key, seq);
      return "new";
    }
    if (this.#settled.has(first)) return "duplicate";
    const followers = this.#followers.get(first) ?? [];
    if (!followers.includes(seq)) followers.push(seq);
    this.#followers.set(first, followers);
    return "follows";
  }

  /** The copies that follow a message which is being settled now. */
  takeFollowers(seq: number): readonly number[] {
    const followers = this.#followers.get(seq);
    if (followers === undefined) return [];
    this.#followers.delete(seq);
    return followers;
  }

  #set(key: string, seq: number): void {
    this.#firstSeq.set(key, seq);
    if (this.#firstSeq.size <= this.#capacity) return;
    const oldest = this.#firstSeq.keys().next();
    if (oldest.done !== true) this.#firstSeq.delete(oldest.value);
  }
}

function contentKey(payload: Uint8Array): string {
  return hash("sha1", payload, "base64");
}
