import { IntervalSet } from "../lib/intervals.ts";
import type { Batch } from "./batch.ts";
import { type Counters, countUnder } from "./counters.ts";
import type { Deduplicator } from "./deduplicator.ts";
import type { MessageLog } from "./ports.ts";
import type { ReadyMessage } from "./ready.ts";
import type { Fates } from "./fates.ts";
import type { Held } from "./held.ts";
import type { Work } from "./work.ts";

interface MessageEndsDeps {
  readonly log: MessageLog;
  readonly work: Work;
  readonly fates: Fates;
  readonly held: Held;
  readonly deduplicator: Deduplicator;
  readonly counters: Counters;
}

/** What becomes of a message; of one whose lines end differently, the last of these that is true of any. */
type End =
  /** Each line is in InfluxDB or dead-lettered. */
  | { readonly kind: "done" }
  /** Monotonic ms. */
  | { readonly kind: "parked"; readonly untilMs: number; readonly isRefused: boolean }
  | { readonly kind: "released"; readonly asFresh: boolean };

const rank: Readonly<Record<End["kind"], number>> = { done: 0, parked: 1, released: 2 };
const done: End = { kind: "done" };

/** A message whose lines travel in several batches. */
interface Split {
  batchesLeft: number;
  end: End;
}

/**
 * The end of a message's way through the sender: it is settled, parked or released, once for each time that it
 * was taken. Where its lines travel apart, that is when the last of them has arrived somewhere. What is not
 * settled is read from the log again when its time comes, together with its copies; lines of it that are done
 * with are not sent again.
 */
export class MessageEnds {
  readonly #deps: MessageEndsDeps;
  readonly #splits = new Map<number, Split>();

  constructor(deps: MessageEndsDeps) {
    this.#deps = deps;
  }

  /** There is one more batch now with lines of this message. */
  split(seq: number): void {
    const split = this.#splits.get(seq);
    if (split === undefined) this.#splits.set(seq, { batchesLeft: 2, end: done });
    else split.batchesLeft += 1;
  }

  /** Returns the messages that are settled by it. */
  delivered(batch: Batch): readonly ReadyMessage[] {
    const { fates, log, work } = this.#deps;
    for (const { message, lines } of batch.parts) {
      if (lines.length === message.lines.length) continue;
      for (const { row } of lines) fates.finish(message.seq, row, "delivered");
    }
    const settled = batch.parts.map(({ message }) => message).filter((message) => this.#isDone(message));
    const isAllOwn = settled.every(({ isOwn }) => isOwn);
    for (const message of settled) this.#finished(message, true);
    for (const { lo, hi } of IntervalSet.of(settled.map(({ seq }) => ({ lo: seq, hi: seq }))).intervals) {
      log.settle(lo, hi, isAllOwn);
      work.finish(lo, hi);
    }
    return settled;
  }

  /** A batch's last lines of this message are dead-lettered, under this code. */
  dead(message: ReadyMessage, code: string): void {
    const { fates, log, work, counters } = this.#deps;
    if (!this.#isDone(message)) return;
    const { seq } = message;
    const isWritten = fates.hasDelivered(seq);
    if (!isWritten) countUnder(counters.deadMessages, code);
    this.#finished(message, isWritten);
    log.settle(seq, seq);
    work.finish(seq, seq);
  }

  /** `isRefused`: because of what the server has said of them. */
  park(batch: Batch, untilMs: number, isRefused: boolean): void {
    this.#leave(batch, { kind: "parked", untilMs, isRefused });
  }

  /** `asFresh`: it has not had its turn. */
  release(batch: Batch, asFresh: boolean): void {
    this.#leave(batch, { kind: "released", asFresh });
  }

  #leave(batch: Batch, end: End): void {
    const seqs = new IntervalSet();
    for (const { message } of batch.parts) {
      const last = this.#arrive(message.seq, end);
      if (last === end) this.#addWithCopies(seqs, message.seq);
      else if (last !== undefined) this.#handBack(this.#addWithCopies(new IntervalSet(), message.seq), last);
    }
    this.#handBack(seqs, end);
  }

  /** Else it is handed back here, or other lines of it are still on their way. */
  #isDone({ seq }: ReadyMessage): boolean {
    const last = this.#arrive(seq, done);
    if (last !== undefined && last.kind !== "done")
      this.#handBack(this.#addWithCopies(new IntervalSet(), seq), last);
    return last?.kind === "done";
  }

  /** Undefined while other batches have lines of it. */
  #arrive(seq: number, end: End): End | undefined {
    const split = this.#splits.get(seq);
    if (split === undefined) return end;
    split.batchesLeft -= 1;
    if (rank[end.kind] > rank[split.end.kind]) split.end = end;
    if (split.batchesLeft > 0) return undefined;
    this.#splits.delete(seq);
    return split.end;
  }

  /** What must be examined anew when a message was not settled: itself and its copies. */
  #addWithCopies(seqs: IntervalSet, seq: number): IntervalSet {
    seqs.add(seq, seq);
    for (const follower of this.#deps.deduplicator.givenUp(seq)) seqs.add(follower, follower);
    return seqs;
  }

  #handBack(seqs: IntervalSet, end: End): void {
    const { work, held } = this.#deps;
    const { intervals } = seqs;
    if (intervals.length === 0) return;
    if (end.kind === "parked") {
      work.park(seqs, end.untilMs);
      if (end.isRefused) held.add(seqs.countWithin(0, Infinity), end.untilMs);
    } else if (end.kind === "released") {
      for (const { lo, hi } of intervals) {
        if (end.asFresh) work.releaseAsFresh(lo, hi);
        else work.release(lo, hi);
      }
    }
  }

  #finished({ seq, isOwn, droppedCount }: ReadyMessage, isWritten: boolean): void {
    const { deduplicator, counters, fates, log } = this.#deps;
    for (const follower of deduplicator.delivered(seq)) {
      log.settle(follower, follower);
      counters.duplicates += 1;
    }
    fates.forget(seq);
    if (!isWritten) return;
    counters.droppedParts += droppedCount;
    if (isOwn) counters.ownWritten += 1;
    else counters.written += 1;
  }
}
