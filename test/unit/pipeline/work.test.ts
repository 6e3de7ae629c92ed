import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { type Interval, IntervalSet } from "../../../src/lib/intervals.ts";
import { Work } from "../../../src/pipeline/work.ts";

/** "other": it belongs to another destination, and is taken for good. */
type State = "free" | "taken" | "settled" | "parked" | "clock" | "other";

/** Says how often it was searched. */
class CountingSet extends IntervalSet {
  searches = 0;

  override covering(value: number): Interval | undefined {
    this.searches += 1;
    return super.covering(value);
  }
}

/** What `Work` promises, one message at a time. */
class Model {
  readonly states: State[] = [];
  readonly untilMs = new Map<number, number>();
  cursor: number;

  constructor(lastSeq: number) {
    for (let seq = 1; seq <= lastSeq; seq += 1) this.states[seq] = "free";
    this.cursor = lastSeq;
  }

  get lastSeq(): number {
    return Math.max(0, this.states.length - 1);
  }

  seqs(state: State): number[] {
    return this.states.flatMap((is, seq) => (is === state ? [seq] : []));
  }

  fresh(): number[] {
    return this.seqs("free").filter((seq) => seq > this.cursor);
  }

  backlog(): number[] {
    return this.seqs("free").filter((seq) => seq <= this.cursor);
  }
}

type Action =
  | { readonly do: "append" | "fresh" | "backlog" | "skip" | "refresh"; readonly count: number }
  | {
      readonly do: "release" | "again" | "settle" | "other" | "park" | "clock" | "evict";
      readonly pick: number;
      readonly count: number;
    }
  | { readonly do: "unpark"; readonly count: number; readonly clock: boolean };

const count = fc.integer({ min: 1, max: 9 });
const pick = fc.nat(1000);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({ do: fc.constantFrom("append", "fresh", "backlog", "skip", "refresh"), count }),
  fc.record({
    do: fc.constantFrom("release", "again", "settle", "other", "park", "clock", "evict"),
    pick,
    count,
  }),
  fc.record({ do: fc.constant("unpark" as const), count, clock: fc.boolean() }),
);

class Run {
  readonly settled = new IntervalSet();
  readonly model: Model;
  readonly work: Work;
  nowMs = 0;

  constructor(startSeq: number, settledUpTo: number) {
    this.model = new Model(startSeq);
    for (let seq = 1; seq <= Math.min(startSeq, settledUpTo); seq += 1) this.#settle(seq);
    this.work = new Work(this.settled, startSeq);
  }

  step(next: Action): void {
    const { model, work } = this;
    switch (next.do) {
      case "append":
        for (let i = 0; i < next.count; i += 1) model.states[model.lastSeq + 1] = "free";
        break;
      case "fresh": {
        const taken = work.takeFresh(model.lastSeq, next.count);
        assert.equal(taken?.lo, model.fresh()[0]);
        if (taken === undefined) break;
        model.cursor = taken.hi;
        this.#take(taken, next.count);
        break;
      }
      case "backlog": {
        const taken = work.takeBacklog(next.count);
        assert.equal(taken?.lo, model.backlog()[0]);
        if (taken !== undefined) this.#take(taken, next.count);
        break;
      }
      case "skip":
        work.skipToFresh(model.lastSeq, next.count);
        model.cursor = Math.max(model.cursor, model.lastSeq - next.count);
        break;
      case "refresh":
        work.refresh(model.lastSeq, next.count);
        model.cursor = Math.max(0, model.lastSeq - next.count);
        break;
      case "unpark":
        this.#unpark(next.count, next.clock);
        break;
      case "evict": {
        const seq = 1 + (next.pick % Math.max(1, model.lastSeq));
        const state = model.states[seq];
        // What another destination settles looks the same from here.
        if (seq <= model.lastSeq && (state === "free" || state === "other")) this.#settle(seq);
        break;
      }
      default:
        this.#withTaken(next);
    }
  }

  #take({ lo, hi }: Interval, maxCount: number): void {
    assert.ok(hi >= lo && hi - lo + 1 <= maxCount);
    for (let seq = lo; seq <= hi; seq += 1) {
      assert.equal(
        this.model.states[seq],
        "free",
        `${seq} is handed out, but it is ${this.model.states[seq]}`,
      );
      this.model.states[seq] = "taken";
    }
  }

  #settle(seq: number): void {
    this.settled.add(seq, seq);
    this.model.states[seq] = "settled";
  }

  #withTaken({ do: what, pick: index, count: howMany }: Extract<Action, { readonly pick: number }>): void {
    const { model, work } = this;
    const taken = model.seqs("taken");
    if (taken.length === 0) return;
    const start = index % taken.length;
    const seqs = taken.slice(start, start + howMany);
    if (what === "park") {
      const untilMs = this.nowMs + howMany * 10;
      work.park(IntervalSet.of(seqs.map((seq) => ({ lo: seq, hi: seq }))), untilMs);
      for (const seq of seqs) model.untilMs.set(seq, untilMs);
    }
    for (const seq of seqs) {
      if (what === "clock") work.parkForClock(seq);
      if (what === "settle") this.#settle(seq);
      if (what === "release") work.release(seq, seq);
      if (what === "again") {
        work.releaseAsFresh(seq, seq);
        model.cursor = Math.min(model.cursor, seq - 1);
      }
      if (what === "release" || what === "again") model.states[seq] = "free";
      if (what === "other") model.states[seq] = "other";
      if (what === "park") model.states[seq] = "parked";
      if (what === "clock") model.states[seq] = "clock";
    }
  }

  #unpark(tens: number, clock: boolean): void {
    const { model, work } = this;
    this.nowMs += tens * 10;
    work.unpark(this.nowMs, clock);
    for (const seq of model.seqs("parked")) {
      if ((model.untilMs.get(seq) ?? 0) <= this.nowMs) model.states[seq] = "free";
    }
    if (clock) for (const seq of model.seqs("clock")) model.states[seq] = "free";
  }

  check(): void {
    const { model, work } = this;
    assert.equal(work.hasFresh(model.lastSeq), model.fresh().length > 0);
    assert.equal(work.hasBacklog(), model.backlog().length > 0);
    assert.equal(work.parkedCount, model.seqs("parked").length);
    assert.equal(work.waitingForClockCount, model.seqs("clock").length);
    const dueMs = model.seqs("parked").map((seq) => model.untilMs.get(seq) ?? 0);
    assert.equal(work.nextUnparkMs, dueMs.length === 0 ? undefined : Math.min(...dueMs));
  }

  /** Everything that is not settled can be had in the end, each once. */
  drain(): void {
    const { model, work } = this;
    for (const seq of model.seqs("taken")) {
      work.release(seq, seq);
      model.states[seq] = "free";
    }
    this.#unpark(1000, true);
    while (model.fresh().length > 0) this.step({ do: "fresh", count: 5 });
    while (model.backlog().length > 0) this.step({ do: "backlog", count: 5 });
    assert.deepEqual(model.seqs("free"), []);
    assert.equal(work.takeBacklog(1), undefined);
    assert.equal(work.takeFresh(model.lastSeq, 1), undefined);
  }
}

describe("work", () => {
  test("against a model: nothing is handed out twice while it is taken, and nothing is forgotten", () => {
    let steps = 0;
    fc.assert(
      fc.property(
        fc.nat(30),
        fc.nat(30),
        fc.array(action, { maxLength: 80, size: "max" }),
        (start, settled, actions) => {
          const run = new Run(start, settled);
          run.check();
          for (const next of actions) {
            run.step(next);
            run.check();
            steps += 1;
          }
          run.drain();
        },
      ),
      { numRuns: 300, seed: 1 },
    );
    assert.ok(steps > 3000, `${steps} steps`);
  });

  test("at the start everything unsettled is backlog, oldest first", () => {
    const work = new Work(IntervalSet.of([{ lo: 3, hi: 4 }]), 6);
    assert.equal(work.hasFresh(6), false);
    assert.deepEqual(work.takeBacklog(10), { lo: 1, hi: 2 });
    assert.deepEqual(work.takeBacklog(10), { lo: 5, hi: 6 });
    assert.equal(work.takeBacklog(10), undefined);
  });

  test("what the fresh lane leaves behind is backlog, until it is refreshed", () => {
    const work = new Work(new IntervalSet(), 0);
    work.skipToFresh(1000, 10);
    assert.deepEqual(work.takeFresh(1000, 256), { lo: 991, hi: 1000 });
    assert.deepEqual(work.takeBacklog(256), { lo: 1, hi: 256 });
    work.release(995, 1000);
    assert.equal(work.hasFresh(1000), false);
    work.skipToFresh(1000, 5000);
    assert.equal(work.hasFresh(1000), false, "skipping never goes back");
    work.refresh(1000, 8);
    assert.deepEqual(
      work.takeFresh(1000, 256),
      { lo: 995, hi: 1000 },
      "those that are still taken are not fresh",
    );
  });

  test("what is released as fresh goes before the backlog, and before what is newer", () => {
    const work = new Work(new IntervalSet(), 100);
    work.skipToFresh(200, 100);
    assert.deepEqual(work.takeFresh(200, 50), { lo: 101, hi: 150 });
    work.releaseAsFresh(110, 120);
    assert.deepEqual(work.takeFresh(200, 50), { lo: 110, hi: 120 });
    assert.deepEqual(work.takeFresh(200, 50), { lo: 151, hi: 200 });
    assert.deepEqual(work.takeBacklog(100), { lo: 1, hi: 100 });
    assert.deepEqual([work.hasBacklog(), work.hasFresh(200)], [false, false]);
  });

  for (const [whose, isOther] of [
    ["odd", (seq: number) => seq % 2 === 1],
    ["even", (seq: number) => seq % 2 === 0],
  ] as const) {
    for (const settledFirst of ["ours", "theirs"]) {
      test(`where two destinations alternate a search stays short: the ${whose} ones are another's, ${settledFirst} are settled first`, () => {
        const settled = new CountingSet();
        const work = new Work(settled, 0);
        const lastSeq = 10_000;
        if (settledFirst === "theirs") {
          for (let seq = 1; seq <= lastSeq; seq += 1) if (isOther(seq)) settled.add(seq, seq);
          work.skipToFresh(lastSeq, 1000);
        }
        for (;;) {
          const taken = work.takeFresh(lastSeq, 64) ?? work.takeBacklog(64);
          if (taken === undefined) break;
          if (settledFirst === "theirs") continue;
          for (let seq = taken.lo; seq <= taken.hi; seq += 1) if (!isOther(seq)) settled.add(seq, seq);
        }
        assert.equal(settled.countWithin(1, lastSeq), lastSeq / 2);
        work.refresh(lastSeq, lastSeq);
        settled.searches = 0;
        assert.deepEqual([work.hasFresh(lastSeq), work.hasBacklog()], [false, false], "nothing comes back");
        assert.ok(settled.searches <= 6, `a search of all took ${settled.searches} steps`);
      });
    }
  }

  test("two hundred thousand parked pieces are no more than a number", () => {
    const work = new Work(new IntervalSet(), 400_000);
    for (let batch = 0; batch < 400; batch += 1) {
      const seqs = new IntervalSet();
      for (let i = 0; i < 500; i += 1) seqs.add(batch * 1000 + 2 * i + 1, batch * 1000 + 2 * i + 1);
      work.park(seqs, 1000 + batch);
    }
    assert.equal(work.parkedCount, 200_000);
    assert.equal(work.nextUnparkMs, 1000);
  });
});

describe("what is owed again", () => {
  test("is found by the backlog lane, oldest first, but for what is on its way or parked", () => {
    const settled = IntervalSet.of([{ lo: 1, hi: 20 }]);
    const work = new Work(settled, 20);
    assert.equal(work.takeFresh(30, 10)?.hi, 30);
    for (let seq = 21; seq <= 24; seq += 1) work.lease(seq);
    work.park(IntervalSet.of([{ lo: 24, hi: 24 }]), 1000);
    // 21 and 25 to 30 are settled by now.
    work.finish(21, 21);
    settled.remove(5, 20);
    work.tryAgain(5, 30);
    assert.deepEqual(
      [work.takeBacklog(100), work.takeBacklog(100)],
      [
        { lo: 5, hi: 21 },
        { lo: 25, hi: 30 },
      ],
    );
    assert.deepEqual(
      [5, 21, 22, 24, 25].map((seq) => work.isAgain(seq)),
      [true, true, false, false, true],
    );
    work.finish(5, 21);
    assert.equal(work.isAgain(5), false, "settled since");
    work.unpark(1000, true);
    assert.deepEqual(work.takeBacklog(100), { lo: 24, hi: 24 });
  });
});
