import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../../src/lib/clock.ts";

test("uptime never goes back and resolves less than a millisecond", () => {
  const readings = Array.from({ length: 2000 }, () => systemClock.uptimeMs());
  const steps = readings.slice(1).map((reading, index) => reading - (readings[index] ?? 0));
  assert.ok(steps.every((step) => step >= 0));
  assert.ok(steps.some((step) => step > 0 && step < 1));
});

test("uptime is that of CLOCK_MONOTONIC, and now is the wall clock", () => {
  const monotonicMs = Number(process.hrtime.bigint()) / 1e6;
  assert.ok(Math.abs(systemClock.uptimeMs() - monotonicMs) < 1000);
  assert.ok(Math.abs(systemClock.nowMs() - Date.now()) < 1000);
});
