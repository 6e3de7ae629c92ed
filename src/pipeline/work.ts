import { firstGap, type Interval, IntervalSet } from "../lib/intervals.ts";

/** After an outage the newest this many go first, the rest is backlog. */
export const freshAfterOutage = 256;

interface Parked {
  readonly seqs: IntervalSet;
  readonly count: number;
  /** Monotonic ms. */
  readonly untilMs: number;
}

/**
 * Which messages are whose turn, for one destination. Two lanes share the log: of what is neither settled nor
 * taken, the fresh lane takes what is newer than its cursor, the backlog lane the rest, oldest first.
 * A lease is nothing but membership in `taken`; it lives in memory, so that a restart hands everything
 * unsettled out again.
 *
 * What was taken stays taken until it is released: also what has been settled, and what belongs to another
 * destination and is never settled from here. And what a search of the backlog passes over is taken too,
 * because it was settled or taken before. So `taken` is one interval but for what waits to be tried again, and
 * a search is short, however finely the messages of several destinations alternate in the log.
 */
export class Work {
  readonly #settled: IntervalSet;
  readonly #taken = new IntervalSet();
  /** Of what is taken: what this destination still has to see to. */
  readonly #leased = new IntervalSet();
  /** Owed again after they were settled: not duplicates of their former selves. */
  readonly #again = new IntervalSet();
  #parked: Parked[] = [];
  #waitingForClock = new IntervalSet();
  #waitingForClockCount = 0;
  #freshCursor: number;
  /** Everything below is settled or taken: the search for a gap need not begin at 1 each time. */
  #backlogStart = 1;

  /** Everything up to `lastSeq` is backlog; what comes later is fresh. */
  constructor(settled: IntervalSet, lastSeq: number) {
    this.#settled = settled;
    this.#freshCursor = lastSeq;
  }

  takeFresh(lastSeq: number, maxCount: number): Interval | undefined {
    const gap = this.#freshGap(lastSeq);
    if (gap === undefined) return undefined;
    const hi = Math.min(gap.hi, gap.lo + maxCount - 1);
    this.#freshCursor = hi;
    this.#taken.add(gap.lo, hi);
    return { lo: gap.lo, hi };
  }

  hasFresh(lastSeq: number): boolean {
    return this.#freshGap(lastSeq) !== undefined;
  }

  #freshGap(lastSeq: number): Interval | undefined {
    return firstGap([this.#settled, this.#taken], this.#freshCursor + 1, lastSeq);
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
    const gap = firstGap([this.#settled, this.#taken], this.#backlogStart, this.#freshCursor);
    const start = gap?.lo ?? this.#freshCursor + 1;
    if (start > this.#backlogStart) this.#taken.add(this.#backlogStart, start - 1);
    this.#backlogStart = start;
    return gap;
  }

  /** What is more than `keep` behind the newest becomes backlog. */
  skipToFresh(lastSeq: number, keep: number): void {
    this.#freshCursor = Math.max(this.#freshCursor, lastSeq - keep);
  }

  /** The newest `keep` are fresh, also when they were tried before and given up; the rest is backlog. */
  refresh(lastSeq: number, keep: number): void {
    this.#freshCursor = Math.max(0, lastSeq - keep);
  }

  /** A taken message is on its way into the database: `release` or `finish` follows. */
  lease(seq: number): void {
    this.#leased.add(seq, seq);
  }

  /** Messages are settled: nothing of them is on its way any more. */
  finish(lo: number, hi: number): void {
    this.#leased.remove(lo, hi);
    this.#again.remove(lo, hi);
  }

  /**
   * Messages of [lo, hi] that were settled are owed again: they go to where the backlog lane finds them. What
   * is on its way or parked is left alone: it was owed all the time.
   */
  tryAgain(lo: number, hi: number): void {
    let from = lo;
    for (let gap = firstGap([this.#leased], from, hi); gap !== undefined;) {
      this.release(gap.lo, gap.hi);
      this.#again.add(gap.lo, gap.hi);
      from = gap.hi + 1;
      gap = firstGap([this.#leased], from, hi);
    }
  }

  /** It was settled before, and not since. */
  isAgain(seq: number): boolean {
    return this.#again.has(seq);
  }

  /** Taken messages go back to where the backlog lane finds them, unless they are settled. */
  release(lo: number, hi: number): void {
    this.#taken.remove(lo, hi);
    this.#leased.remove(lo, hi);
    this.#backlogStart = Math.min(this.#backlogStart, lo);
  }

  /** Taken messages go back to where the fresh lane finds them, unless they are settled. */
  releaseAsFresh(lo: number, hi: number): void {
    this.release(lo, hi);
    this.#freshCursor = Math.min(this.#freshCursor, lo - 1);
  }

  /** Taken messages are left alone until a time (monotonic ms). */
  park(seqs: IntervalSet, untilMs: number): void {
    const count = seqs.intervals.reduce((sum, { lo, hi }) => sum + hi - lo + 1, 0);
    for (const { lo, hi } of seqs.intervals) this.#leased.add(lo, hi);
    this.#parked.push({ seqs, count, untilMs });
  }

  /** Taken messages are left alone until the clock may be believed. */
  parkForClock(seq: number): void {
    this.#waitingForClock.add(seq, seq);
    this.#leased.add(seq, seq);
    this.#waitingForClockCount += 1;
  }

  /** Releases what has been parked long enough. */
  unpark(nowMs: number, clockMayRelease: boolean): void {
    if (this.#parked.some(({ untilMs }) => untilMs <= nowMs)) {
      for (const { seqs, untilMs } of this.#parked) if (untilMs <= nowMs) this.#releaseAll(seqs);
      this.#parked = this.#parked.filter(({ untilMs }) => untilMs > nowMs);
    }
    if (clockMayRelease && this.#waitingForClockCount > 0) {
      this.#releaseAll(this.#waitingForClock);
      this.#waitingForClock = new IntervalSet();
      this.#waitingForClockCount = 0;
    }
  }

  #releaseAll(seqs: IntervalSet): void {
    for (const { lo, hi } of seqs.intervals) this.release(lo, hi);
  }

  get parkedCount(): number {
    return this.#parked.reduce((sum, { count }) => sum + count, 0);
  }

  get waitingForClockCount(): number {
    return this.#waitingForClockCount;
  }

  /** When the next parked messages are due (monotonic ms). */
  get nextUnparkMs(): number | undefined {
    if (this.#parked.length === 0) return undefined;
    return this.#parked.reduce((least, { untilMs }) => Math.min(least, untilMs), Infinity);
  }
}
