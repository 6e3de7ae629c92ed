import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { commitDueInMs, type CommitState, groupCountFor } from "../../../src/journal/commit-policy.ts";

const settings = { intervalMs: 250, groupCount: 500, groupBytes: 1_000_000 };
const nothing: CommitState = {
  waitingCount: 0,
  waitingBytes: 0,
  oldestMs: 0,
  newestMs: 0,
  lastEndMs: 0,
  usualTookMs: 0,
};
const one: CommitState = {
  ...nothing,
  waitingCount: 1,
  waitingBytes: 300,
  oldestMs: 10_000,
  newestMs: 10_000,
};
/** Its interval was over long ago. */
const late: CommitState = { ...one, oldestMs: 0 };
const full: CommitState = { ...one, waitingCount: 500 };
/** The window of a broker that keeps 32 in flight: nothing comes any more. */
const window32: CommitState = { ...one, waitingCount: 32, newestMs: 10_005 };

const table: readonly (readonly [string, CommitState, number, number | undefined])[] = [
  ["nothing waits: no commit", nothing, 10_000, undefined],
  ["nothing waits after a slow disk: no commit", { ...nothing, usualTookMs: 50 }, 10_000, undefined],
  ["one message waits for the interval", one, 10_000, 250],
  ["the interval counts from the oldest message", one, 10_240, 10],
  ["at the interval", one, 10_250, 0],
  ["late", one, 99_000, 0],
  ["one less than half the window waits", { ...full, waitingCount: 499, newestMs: 10_240 }, 10_240, 10],
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
  ["a flow that may have stalled is looked at when it would have", window32, 10_005, 20],
  ["a flow that has nearly stalled", window32, 10_024, 1],
  ["a flow that has stalled goes", window32, 10_025, 0],
  ["and later too", window32, 10_100, 0],
  ["a message that comes begins it anew", { ...window32, newestMs: 10_020 }, 10_025, 15],
  ["16 can stall", { ...window32, waitingCount: 16 }, 10_025, 0],
  ["15 are few and wait for the interval", { ...window32, waitingCount: 15 }, 10_025, 225],
  ["the interval ends before the stall", { ...window32, newestMs: 10_245 }, 10_245, 5],
  ["a stall rests twice a commit", { ...window32, lastEndMs: 10_000, usualTookMs: 20 }, 10_025, 15],
  ["that is over", { ...window32, lastEndMs: 10_000, usualTookMs: 20 }, 10_040, 0],
  [
    "a stall on a slow disk rests for 2 s at most",
    { ...window32, lastEndMs: 10_000, usualTookMs: 9000 },
    10_025,
    1975,
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
    newestMs: fc.integer({ min: 0, max: 20_000 }),
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
      const hasStalled = seen.waitingCount >= 16 && dueMs >= seen.newestMs + 20 - 1e-6;
      const rest = Math.min(2000, (isFull || hasStalled ? 2 : 10) * seen.usualTookMs);
      assert.ok(dueMs >= seen.lastEndMs + rest - 1e-6);
    }),
  );
});

/** Commits of a flow, each at once when it is due: how many messages each took. */
function groupsOf(arrivalsMs: readonly number[]): number[] {
  const groups: number[] = [];
  let state = nothing;
  const commitUntil = (endMs: number): void => {
    for (let nowMs = state.newestMs; state.waitingCount > 0;) {
      const dueMs = nowMs + (commitDueInMs(state, settings, nowMs) ?? Infinity);
      if (dueMs >= endMs) return;
      if (dueMs > nowMs) nowMs = dueMs;
      else {
        groups.push(state.waitingCount);
        state = { ...nothing, lastEndMs: nowMs };
      }
    }
  };
  for (const atMs of arrivalsMs) {
    commitUntil(atMs);
    const oldestMs = state.waitingCount === 0 ? atMs : state.oldestMs;
    state = { ...state, waitingCount: state.waitingCount + 1, oldestMs, newestMs: atMs };
  }
  commitUntil(Infinity);
  return groups;
}

test("whatever the rate, evenly spaced messages are grouped by the interval, never cut short by the stall rule", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), (everyMs) => {
      const arrivalsMs = Array.from({ length: 1000 }, (_, index) => 1000 + index * everyMs);
      const perGroup = Math.floor(250 / everyMs) + 1;
      // The last group may be any part of one.
      assert.deepEqual(new Set(groupsOf(arrivalsMs).slice(0, -1)), new Set([perGroup]));
    }),
  );
});

test("the group follows the largest window of those connected: a small one does not lower it for all", () => {
  const [five, older] = [1000, 20].map((window) => ({ window, isConnected: true }));
  assert(five !== undefined && older !== undefined);
  const away = (source: typeof five): typeof five => ({ ...source, isConnected: false });
  assert.equal(groupCountFor([five]), 500);
  assert.equal(groupCountFor([older, five]), 500);
  assert.equal(groupCountFor([older, older]), 10);
  assert.equal(groupCountFor([older, away(five)]), 10, "who is away fills no window");
  assert.equal(groupCountFor([away(older), away(five)]), 500, "backlogs come before the first SUBACK");
  assert.equal(groupCountFor([{ window: 1, isConnected: true }]), 1);
});
