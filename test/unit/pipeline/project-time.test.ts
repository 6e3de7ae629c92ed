import assert from "node:assert/strict";
import { test } from "node:test";
import { beginningOfTime, type LogTime, logTimeAt } from "../../../src/pipeline/project-time.ts";

const noonMs = Date.UTC(2026, 2, 1, 12);
const minuteMs = 60_000;
const dayMs = 86_400_000;

/** The log time after messages received at these (wall clock, uptime, boot). */
function after(...messages: readonly (readonly [number, number, number])[]): LogTime {
  let time = beginningOfTime;
  for (const [receivedMs, uptimeMs, bootKey] of messages) {
    const step = logTimeAt(time, { uptimeMs, bootKey }, receivedMs);
    assert.equal(step.isNewEra, false);
    time = step.time;
  }
  return time;
}

test("while the clock goes forward the log time is the time of receipt", () => {
  assert.equal(after([noonMs, 5000, 1]).ms, noonMs);
  assert.equal(after([noonMs, 5000, 1], [noonMs + 7, 5007, 1]).ms, noonMs + 7);
  assert.equal(after([noonMs, 5_000_000, 1], [noonMs + 7, 3, 2]).ms, noonMs + 7, "after a reboot");
});

test("a clock that is put back does not take it along: it goes on with the time since boot", () => {
  const back = noonMs - 10 * minuteMs;
  assert.equal(after([noonMs, 5000, 1], [back, 6000, 1]).ms, noonMs + 1000);
  assert.equal(after([noonMs, 5000, 1], [back, 6000, 1], [back + 1000, 7000.4, 1]).ms, noonMs + 2000);
});

test("the clock takes over again once it has caught up", () => {
  const caughtUp = noonMs + 20 * minuteMs;
  assert.equal(after([noonMs, 5000, 1], [noonMs - 1, 6000, 1], [caughtUp, 7000, 1]).ms, caughtUp);
});

test("how long a reboot took nobody knows: the log time stands, then goes on", () => {
  const back = noonMs - minuteMs;
  assert.equal(after([noonMs, 5_000_000, 1], [back, 100, 2]).ms, noonMs);
  assert.equal(after([noonMs, 5_000_000, 1], [back, 100, 2], [back + 1, 5100, 2]).ms, noonMs + 5000);
});

test("a clock that ran ahead by days and is put back begins an era one slot ahead of itself", () => {
  const ahead = after([noonMs + 3 * dayMs, 5000, 1]);
  const { time, isNewEra } = logTimeAt(ahead, { uptimeMs: 6000, bootKey: 1 }, noonMs);
  assert.equal(isNewEra, true);
  assert.equal(time.ms, noonMs + 5 * minuteMs);
  const next = logTimeAt(time, { uptimeMs: 7000, bootKey: 1 }, noonMs + 1000);
  assert.deepEqual([next.isNewEra, next.time.ms], [false, noonMs + 5 * minuteMs + 1000]);
});
