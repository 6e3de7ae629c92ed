/**
 * How fast the backlog drains, and how long that takes at this rate. Pure but for what it is told.
 *
 * The rate is what the backlog has shrunk by, net of what came in meanwhile: that is what empties it. It is a mean
 * in which each second counts less the longer it is ago, so that a link that has become slower shows within minutes.
 * Nothing is said where nothing can be known: while a database takes no writes, in the first seconds after that,
 * when the backlog does not shrink, and of a backlog that is only what is under way at this rate of arrival.
 */
import type { DrainStatus } from "../status/daemon-status.ts";
import { influxdbState, type Snapshot } from "../status/snapshot.ts";

export type DrainLook = Pick<Snapshot, "databases"> & {
  readonly journal: Pick<Snapshot["journal"], "lastSeq" | "backlog" | "evicted" | "purged" | "unsettled">;
  readonly counters: Pick<Snapshot["counters"], "held" | "waitingForClock">;
};

/** After this time without a change the rate is off by 37 % of the change, after three times that by 5 %. */
const memoryMs = 60_000;
/** A rate of less than this says little. */
const minSeenMs = 10_000;
/** Two looks in quick succession show how batches end, and no rate. */
const minStepMs = 1000;
/** Of arrivals: what is always under way. And so many messages at least. */
const underWayMs = 10_000;
const underWayCount = 100;

/** Sums over the past, in which a ms counts e^(−age / memoryMs). */
interface Past {
  readonly seenMs: number;
  readonly drained: number;
  readonly arrived: number;
}

const nothingSeen: Past = { seenMs: 0, drained: 0, arrived: 0 };

export class Drain {
  #past = nothingSeen;
  #last: { readonly atMs: number; readonly look: DrainLook } | undefined;

  /** Now and then, at any interval. `nowMs`: monotonic. */
  look(look: DrainLook, nowMs: number): void {
    if (influxdbState(look) !== "up") {
      this.#past = nothingSeen;
      this.#last = undefined;
      return;
    }
    const stepMs = this.#last === undefined ? Infinity : nowMs - this.#last.atMs;
    if (stepMs < minStepMs) return;
    if (this.#last !== undefined) this.#past = after(this.#past, stepMs, this.#last.look, look);
    this.#last = { atMs: nowMs, look };
  }

  /** Undefined: it cannot be known, or nothing is to be drained. */
  get status(): DrainStatus | undefined {
    const { seenMs, drained, arrived } = this.#past;
    if (this.#last === undefined || seenMs < minSeenMs || drained <= 0) return undefined;
    const { journal, counters } = this.#last.look;
    // Those wait for something else than their turn.
    const waiting = journal.backlog - counters.held - counters.waitingForClock;
    if (waiting <= Math.max(underWayCount, (arrived / seenMs) * underWayMs)) return undefined;
    const perMs = drained / seenMs;
    return { perSecond: perMs * 1000, leftMs: waiting / perMs };
  }
}

function after(past: Past, stepMs: number, before: DrainLook, now: DrainLook): Past {
  const kept = Math.exp(-stepMs / memoryMs);
  return {
    seenMs: past.seenMs * kept + stepMs,
    drained: past.drained * kept + drainable(before) - drainable(now),
    arrived: past.arrived * kept + now.journal.lastSeq - before.journal.lastSeq,
  };
}

/** The backlog, had nothing been dropped of it for want of room or given up, and nothing been put back into it. */
function drainable({ journal }: DrainLook): number {
  const { backlog, evicted, purged = 0, unsettled = 0 } = journal;
  return backlog + evicted + purged - unsettled;
}
