import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { firstGap, type Interval, IntervalSet } from "../../../src/lib/intervals.ts";

const highest = 40;
/** Small ones make a set of many blocks out of few numbers; the last one is its own. */
const blockSizes = [2, 3, 4, undefined];

/** Mostly short, so that there are many. */
const range = fc
  .tuple(
    fc.integer({ min: 0, max: highest }),
    fc.oneof({ weight: 4, arbitrary: fc.nat(1) }, { weight: 1, arbitrary: fc.nat(highest) }),
  )
  .map(([lo, more]) => ({ lo, hi: Math.min(highest, lo + more) }));
const action = fc.tuple(fc.constantFrom("add", "remove"), range);

function numbers({ lo, hi }: Interval): number[] {
  return Array.from({ length: hi - lo + 1 }, (_, index) => lo + index);
}

/** The runs of a plain set: what an IntervalSet with the same numbers must hold. */
function runsOf(values: ReadonlySet<number>): Interval[] {
  const runs: Interval[] = [];
  for (const value of [...values].toSorted((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last.hi === value - 1) runs[runs.length - 1] = { lo: last.lo, hi: value };
    else runs.push({ lo: value, hi: value });
  }
  return runs;
}

test("an IntervalSet holds the same numbers as a plain set after any adds and removes", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...blockSizes),
      fc.array(action, { maxLength: 60, size: "max" }),
      range,
      (size, actions, asked) => {
        const set = new IntervalSet(size);
        const model = new Set<number>();
        for (const [kind, { lo, hi }] of actions) {
          if (kind === "remove") {
            set.remove(lo, hi);
            for (const value of numbers({ lo, hi })) model.delete(value);
          } else {
            const touching = runsOf(model).filter((run) => run.hi >= lo - 1 && run.lo <= hi + 1);
            const { merged, absorbed } = set.add(lo, hi);
            for (const value of numbers({ lo, hi })) model.add(value);
            assert.deepEqual(absorbed, touching);
            assert.deepEqual(
              merged,
              runsOf(model).find((run) => run.lo <= lo && hi <= run.hi),
            );
          }
          assert.deepEqual(set.intervals, runsOf(model));
          assert.equal(set.countWithin(-1, highest + 1), model.size);
        }
        for (let value = -1; value <= highest + 1; value += 1) {
          assert.equal(set.has(value), model.has(value));
          const runs = runsOf(model);
          assert.deepEqual(
            set.covering(value),
            runs.find(({ lo, hi }) => lo <= value && value <= hi),
          );
          assert.deepEqual(
            set.atOrAfter(value),
            runs.find(({ hi }) => hi >= value),
          );
        }
        assert.equal(
          set.countWithin(asked.lo, asked.hi),
          numbers(asked).filter((value) => model.has(value)).length,
        );
        assert.deepEqual(IntervalSet.of(set.intervals).intervals, set.intervals);
      },
    ),
    { numRuns: 400 },
  );
});

test("firstGap finds the first run of numbers that is in none of the sets", () => {
  fc.assert(
    fc.property(fc.array(fc.array(range, { maxLength: 8 }), { maxLength: 3 }), range, (lists, { lo, hi }) => {
      const sets = lists.map((list) => IntervalSet.of(list));
      const free = numbers({ lo, hi }).filter((value) => !sets.some((set) => set.has(value)));
      assert.deepEqual(firstGap(sets, lo, hi), runsOf(new Set(free))[0]);
    }),
    { numRuns: 400 },
  );
});

test("nothing is counted in an empty range, and an empty range has no gap", () => {
  const set = IntervalSet.of([{ lo: 1, hi: 5 }]);
  assert.equal(set.countWithin(1, 0), 0);
  assert.equal(firstGap([set], 1, 0), undefined);
  assert.equal(firstGap([set], 1, 5), undefined);
  assert.deepEqual(firstGap([set], 1, 6), { lo: 6, hi: 6 });
});

/** Numbers that come in an order of their own, the same each time. */
function shuffled(count: number): number[] {
  const prime = 7919;
  return Array.from({ length: count }, (_, index) => (index * prime) % count);
}

test("a set of many blocks holds every second number, and each gap that is filled joins its neighbours", () => {
  const count = 20_000;
  for (const order of [shuffled(count), shuffled(count).toSorted((a, b) => a - b)]) {
    const set = new IntervalSet(16);
    for (const n of order) set.add(2 * n, 2 * n);
    assert.equal(set.countWithin(0, 2 * count), count);
    assert.equal(set.countWithin(1001, 20_001), 9500);
    assert.deepEqual(
      set.intervals,
      Array.from({ length: count }, (_, n) => ({ lo: 2 * n, hi: 2 * n })),
    );
    for (let n = 0; n < count / 2; n += 1) {
      const { merged, absorbed } = set.add(2 * n + 1, 2 * n + 1);
      assert.deepEqual(merged, { lo: 0, hi: 2 * n + 2 });
      assert.equal(absorbed.length, 2);
    }
    assert.equal(set.intervals.length, count / 2);
    const { absorbed } = set.add(500, 2 * count);
    assert.equal(absorbed.length, count / 2);
    assert.deepEqual(set.intervals, [{ lo: 0, hi: 2 * count }]);
    for (const n of order) set.remove(2 * n + 1, 2 * n + 1);
    assert.equal(set.countWithin(0, 2 * count), count + 1);
    set.remove(3, 2 * count - 1);
    assert.deepEqual(
      set.intervals,
      [0, 2, 2 * count].map((n) => ({ lo: n, hi: n })),
    );
  }
});

test("numbers beyond 32 bits are numbers like others", () => {
  const large = 2 ** 40;
  const set = IntervalSet.of([{ lo: 1, hi: large }]);
  set.add(large + 2, large + 2);
  assert.equal(set.countWithin(0, Number.MAX_SAFE_INTEGER), large + 1);
  assert.deepEqual(set.atOrAfter(large + 1), { lo: large + 2, hi: large + 2 });
  set.remove(2, large - 1);
  assert.deepEqual(set.intervals, [
    { lo: 1, hi: 1 },
    { lo: large, hi: large },
    { lo: large + 2, hi: large + 2 },
  ]);
});

test("a million dense numbers in any order are one interval", () => {
  const set = new IntervalSet();
  const blocks = Array.from({ length: 1000 }, (_, index) => (index * 617) % 1000);
  for (const block of blocks) set.add(block * 1000, block * 1000 + 999);
  assert.deepEqual(set.intervals, [{ lo: 0, hi: 999_999 }]);
});
