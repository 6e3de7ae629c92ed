import assert from "node:assert/strict";
import { test } from "node:test";
import { healthOf, LoopDelay, tickMs } from "../../../src/supervision/heartbeat.ts";

const beating = (name: string, silentMs: number) => ({ name, silentMs, progressDeadlineMs: 30_000 });

test("all is well while everybody has beaten within the deadline and the loop was not late", () => {
  assert.equal(healthOf([], 0), undefined);
  assert.equal(healthOf([beating("journal", 30_000), beating("ingest", 0)], 10_000), undefined);
});

test("who is silent is named with the time, and so is a late loop", () => {
  const parts = [beating("journal", 30_001), beating("ingest", 0), beating("forward", 90_000)];
  assert.deepEqual(healthOf(parts, 10_001), {
    silent: [
      { name: "journal", silentMs: 30_001 },
      { name: "forward", silentMs: 90_000 },
    ],
    loopLateMs: 10_001,
  });
  assert.deepEqual(healthOf([beating("journal", 0)], 10_001), { silent: [], loopLateMs: 10_001 });
});

test("a tick in time has no delay, a late one shows until the next, and the worst for a minute", () => {
  const loop = new LoopDelay(0);
  assert.deepEqual([loop.lateMs(0), loop.worstMs(0)], [0, 0]);
  loop.tick(tickMs);
  assert.equal(loop.lateMs(tickMs), 0);
  loop.tick(2 * tickMs + 3000);
  assert.equal(loop.lateMs(2 * tickMs + 3000), 3000);
  for (let atMs = 6000; atMs <= 64_000; atMs += tickMs) loop.tick(atMs);
  assert.equal(loop.lateMs(64_000), 0);
  assert.equal(loop.worstMs(64_000), 3000);
  assert.equal(loop.worstMs(65_000), 0);
});

test("a tick that is due and has not come counts before it comes", () => {
  const loop = new LoopDelay(0);
  assert.equal(loop.lateMs(tickMs + 7000), 7000);
  assert.equal(loop.worstMs(tickMs + 7000), 7000);
});
