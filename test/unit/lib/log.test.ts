import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FaultThrottle } from "../../../src/lib/log.ts";

test("the first is said, repetitions within the time are counted, the next one says how many", () => {
  const throttle = new FaultThrottle(60_000);
  assert.equal(throttle.admit("broker_silent", 1000), 0);
  assert.equal(throttle.admit("broker_silent", 1001), undefined);
  assert.equal(throttle.admit("broker_silent", 60_999), undefined);
  assert.equal(throttle.admit("broker_silent", 61_000), 2);
  assert.equal(throttle.admit("broker_silent", 61_001), undefined);
});

test("codes do not silence one another", () => {
  const throttle = new FaultThrottle(60_000);
  assert.equal(throttle.admit("a", 0), 0);
  assert.equal(throttle.admit("b", 1), 0);
});

test("after a reset the next one is news", () => {
  const throttle = new FaultThrottle(60_000);
  throttle.admit("a", 0);
  throttle.admit("a", 1);
  throttle.reset("a");
  assert.equal(throttle.admit("a", 2), 0);
});

test("what was said and what was left out adds up, and no two are said within the time", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.array(fc.nat(30), { minLength: 1 }), (everyMs, gaps) => {
      const throttle = new FaultThrottle(everyMs);
      let nowMs = 0;
      let accounted = 0;
      let lastSaidMs = Number.NEGATIVE_INFINITY;
      for (const gap of gaps) {
        nowMs += gap;
        const suppressed = throttle.admit("x", nowMs);
        if (suppressed === undefined) continue;
        assert.ok(nowMs - lastSaidMs >= everyMs);
        lastSaidMs = nowMs;
        accounted += 1 + suppressed;
      }
      const rest = throttle.admit("x", nowMs + everyMs);
      assert.equal(accounted + Number(rest), gaps.length);
    }),
  );
});
