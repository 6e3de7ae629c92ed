import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { commitDueInMs, type CommitState } from "../../../src/journal/commit-policy.ts";

const settings = { intervalMs: 250, groupCount: 500, groupBytes: 1_000_000 };
const nothing: CommitState = {
  waitingCount: 0,
  waitingBytes: 0,
  oldestMs: 0,
  lastEndMs: 0,
  usualTookMs: 0,
};
const one: CommitState = { ...nothing, waitingCount: 1, waitingBytes: 300, oldestMs: 10_000 };
/** Its interval was over long ago. */
const late: CommitState = { ...one, oldestMs: 0 };
const full: CommitState = { ...one, waitingCount: 500 };

const table: readonly (readonly [string, CommitState, number, number | undefined])[] = [
  ["nothing waits: no commit", nothing, 10_000, undefined],
  ["nothing waits after a slow disk: no commit", { ...nothing, usualTookMs: 50 }, 10_000, undefined],
  ["one message waits for the interval", one, 10_000, 250],
  ["the interval counts from the oldest message", one, 10_240, 10],
  ["at the interval", one, 10_250, 0],
  ["late", one, 99_000, 0],
  ["one less than half the window waits", { ...full, waitingCount: 499 }, 10_000, 250],
  ["half the window goes at once", full, 10_000, 0],
  ["more than half the window too", { ...full, waitingCount: 2000 }, 10_000, 0],
  ["so do many bytes", { ...one, waitingBytes: 1_000_000 }, 10_000, 0],
  ["one byte less does not", { ...one, waitingBytes: 999_999 }, 10_000, 250],
  ["rest: ten times a commit", { ...late, lastEndMs: 10_000, usualTookMs: 20 }, 10_000, 200],
  ["rest: nearly over", { ...late, lastEndMs: 10_000, usualTookMs: 20 }, 10_199, 1],
  ["rest: over", { ...late, lastEndMs: 10_000, usualTookMs: 20 }, 10_200, 0],
  ["rest shorter than the interval", { ...one, lastEndMs: 10_000, usualTookMs: 20 }, 10_000, 250],
  ["rest longer than the interval", { ...one, lastEndMs: 10_000, usualTookMs: 30 }, 10_000, 300],
  ["a full group rests twice a commit", { ...full, lastEndMs: 10_000, usualTookMs: 20 }, 10_000, 40],
  ["nearly over", { ...full, lastEndMs: 10_000, usualTookMs: 20 }, 10_039, 1],
  ["over", { ...full, lastEndMs: 10_000, usualTookMs: 20 }, 10_040, 0],
  [
    "a terribly slow disk rests for 2 s at most",
    { ...late, lastEndMs: 10_000, usualTookMs: 9000 },
    10_000,
    2000,
  ],
];

for (const [name, state, nowMs, expected] of table) {
  test(name, () => {
    assert.equal(commitDueInMs(state, settings, nowMs), expected);
  });
}

test("whatever the state: due when promised, never within the rest, and within interval or cap at the latest", () => {
  const state = fc.record({
    waitingCount: fc.integer({ min: 1, max: 2000 }),
    waitingBytes: fc.nat(2_000_000),
    oldestMs: fc.integer({ min: 0, max: 20_000 }),
    lastEndMs: fc.integer({ min: 0, max: 20_000 }),
    usualTookMs: fc.double({ min: 0, max: 5000, noNaN: true }),
  });
  fc.assert(
    fc.property(state, fc.integer({ min: 20_000, max: 30_000 }), (seen, nowMs) => {
      const dueInMs = commitDueInMs(seen, settings, nowMs);
      assert.ok(dueInMs !== undefined && dueInMs >= 0 && dueInMs <= 2000);
      const dueMs = nowMs + dueInMs;
      assert.equal(commitDueInMs(seen, settings, Math.ceil(dueMs)), 0);
      if (dueInMs > 0) assert.ok(dueMs - seen.lastEndMs <= 2000 || dueMs - seen.oldestMs <= 250.001);
      const isFull = seen.waitingCount >= settings.groupCount || seen.waitingBytes >= settings.groupBytes;
      const rest = Math.min(2000, (isFull ? 2 : 10) * seen.usualTookMs);
      assert.ok(dueMs >= seen.lastEndMs + rest - 1e-6);
    }),
  );
});
