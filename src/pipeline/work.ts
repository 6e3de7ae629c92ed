import { firstGap, type Interval, IntervalSet } from "../lib/intervals.ts";

interface Parked extends Interval {
  /** Monotonic ms. */
  readonly untilMs: number;
}

/**
 * Which messages are whose turn. Two lanes share the log: the fresh lane takes what is newer than its
 * cursor, the backlog lane takes, oldest first, whatever below that cursor is neither settled nor taken.
 * A lease is nothing but membership in `taken`; it lives in memory, so that a restart hands everything
 * unsettled out again.
 */
export class Work {
  readonly #settled: IntervalSet;
  readonly #taken = new IntervalSet();
  #parked: Parked[] = [];
  #waitingForClock = new IntervalSet();
  #freshCursor: number;

  /** Everything up to `lastSeq` is backlog; what comes later is fresh. */
  constructor(settled: IntervalSet, lastSeq: number) {
    this.#settled = settled;
    this.#freshCursor = lastSeq;
  }

  takeFresh(lastSeq: number, maxCount: number): Interval | undefined {
    if (this.#freshCursor >= lastSeq) return undefined;
    const lo = this.#freshCursor + 1;
    const hi = Math.min(lastSeq, lo + maxCount - 1);
    this.#freshCursor = hi;
    this.#taken.add(lo, hi);
    return { lo, hi };
  }

  hasFresh(lastSeq: number): boolean {
    return this.#freshCursor < lastSeq;
  }

  takeBacklog(maxCount: number): Interval | undefined {
    const gap = this.#oldestGap();
    if (gap === undefined) return undefined;
    const hi = Math.min(gap.hi, gap.lo + maxCount - 1);
    this.#taken.add(gap.lo, hi);
    return { lo: gap.lo, hi };
  }

  hasBacklog(): boolean {
    return this.#oldestGap() !== undefined;
  }

  #oldestGap(): Interval | undefined {
    return firstGap([this.#settled, this.#taken], 1, this.#freshCursor);
  }

  /** What is more than `keep` behind the newest becomes backlog: after an outage the newest go first. */
  skipToFresh(lastSeq: number, keep: number): void {
    this.#freshCursor = Math.max(this.#freshCursor, lastSeq - keep);
  }

  /** Taken messages go back to where the backlog lane finds them. */
  release(lo: number, hi: number): void {
    this.#taken.remove(lo, hi);
  }

  /** Taken messages are left alone until a time (monotonic ms). */
  park(lo: number, hi: number, untilMs: number): void {
    this.#parked.push({ lo, hi, untilMs });
  }

  /** Taken messages are left alone until the clock may be believed. */
  parkForClock(lo: number, hi: number): void {
    this.#waitingForClock.add(lo, hi);
  }

  /** Releases what has been parked long enough; returns how many messages wait for the clock still. */
  unpark(nowMs: number, clockMayRelease: boolean): number {
    if (this.#parked.some(({ untilMs }) => untilMs <= nowMs)) {
      for (const { lo, hi, untilMs } of this.#parked) if (untilMs <= nowMs) this.release(lo, hi);
      this.#parked = this.#parked.filter(({ untilMs }) => untilMs > nowMs);
    }
    if (clockMayRelease) {
      for (const { lo, hi } of this.#waitingForClock.intervals) this.release(lo, hi);
      this.#waitingForClock = new IntervalSet();
    }
    return this.#waitingForClock.intervals.reduce((sum, { lo, hi }) => sum + hi - lo + 1, 0);
  }

  /** When the next parked messages are due (monotonic ms). */
  get nextUnparkMs(): number | undefined {
    return this.#parked.length === 0 ? undefined : Math.min(...this.#parked.map(({ untilMs }) => untilMs));
  }
}
