/** Which settled rows are worth deleting when room is needed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readWindow, type Window } from "../../../src/journal/window.ts";
import { type Interval, IntervalSet } from "../../../src/lib/intervals.ts";

const pageBytes = 4096;

function windowOf(sizes: readonly number[], settled: readonly Interval[]): Window {
  const rows = sizes.map((bytes, index) => ({ seq: index + 1, bytes }));
  const window = readWindow(rows, IntervalSet.of(settled), pageBytes);
  assert.ok(window !== undefined);
  return window;
}

/** Rows that share a page with some twenty others. */
const small = Array.from({ length: 1000 }, () => 168);

function every(step: number, isSettled: (rest: number) => boolean): Interval[] {
  return small.flatMap((_, index) => (isSettled(index % step) ? [{ lo: index + 1, hi: index + 1 }] : []));
}

test("a window ends after eight pages, be they of many small rows or of few large ones", () => {
  const { first, last, rowCount } = windowOf(small, []);
  assert.deepEqual([first, last, rowCount], [1, 164, 164]);
  assert.equal(windowOf([10_000, 10_000, 10_000, 10_000, 10_000], []).last, 4);
  assert.equal(windowOf([1_000_000, 10], []).last, 1);
  assert.equal(readWindow([], new IntervalSet(), pageBytes), undefined);
});

test("its settled runs are of rows that follow each other, whatever is missing between them", () => {
  const rows = [3, 4, 9, 10, 12, 20].map((seq) => ({ seq, bytes: 100 }));
  const settled = IntervalSet.of([
    { lo: 1, hi: 4 },
    { lo: 7, hi: 9 },
    { lo: 11, hi: 15 },
  ]);
  const window = readWindow(rows, settled, pageBytes);
  assert.deepEqual(
    window?.settledRuns.map(({ lo, hi }) => [lo, hi]),
    [
      [3, 9],
      [12, 12],
    ],
  );
  assert.deepEqual([window?.first, window?.last, window?.settledCount], [3, 20, 4]);
});

test("every second row, or two of three, free nothing; three of four do, and so does a run of two pages", () => {
  assert.equal(
    windowOf(
      small,
      every(2, (rest) => rest === 0),
    ).freesPages,
    false,
  );
  assert.equal(
    windowOf(
      small,
      every(3, (rest) => rest > 0),
    ).freesPages,
    false,
  );
  assert.equal(
    windowOf(
      small,
      every(4, (rest) => rest > 0),
    ).freesPages,
    true,
  );
  assert.equal(windowOf(small, [{ lo: 50, hi: 85 }]).freesPages, false);
  assert.equal(windowOf(small, [{ lo: 50, hi: 95 }]).freesPages, true);
  assert.equal(windowOf(small.slice(0, 5), [{ lo: 1, hi: 5 }]).freesPages, false, "less than a page in all");
});

test("a row that has pages for itself frees them, wherever it stands", () => {
  const sizes = [100, 5000, 100, 5000, 100];
  assert.equal(windowOf(sizes, [{ lo: 2, hi: 2 }]).freesPages, true);
  assert.equal(windowOf(sizes, [{ lo: 3, hi: 3 }]).freesPages, false);
});
