import assert from "node:assert/strict";
import { test } from "node:test";
import {
  child,
  criticalChild,
  forwardDeadlineMs,
  progressDeadlineMs,
  sourceDeadlineMs,
  stopDeadlineMs,
} from "../../../src/app/children.ts";
import type { InfluxConfig } from "../../../src/influx/config.ts";
import { mqttConfig } from "../../support/mqtt-source.ts";

const drain = new AbortController().signal;
const abort = new AbortController().signal;

async function nothing(): Promise<void> {
  await Promise.resolve();
}

test("a part hears its signals, and its beats are heard; that nothing is lost on the way", async () => {
  const heard: unknown[] = [];
  let beats = 0;
  const one = child("report", 1000, async (...signals) => {
    heard.push(signals[0], signals[1]);
    signals[2]();
    await Promise.resolve();
  });
  await one.run({
    drain,
    abort,
    beat: () => {
      beats += 1;
    },
    ready: () => undefined,
  });
  assert.deepEqual([heard[0] === drain, heard[1] === abort, beats], [true, true, 1]);
});

test("critical or not, started again or not, and within which times", () => {
  const { isCritical, restart, stopDeadlineMs: stopMs } = criticalChild("journal", 1000, nothing);
  assert.deepEqual([isCritical, restart, stopMs], [true, "permanent", stopDeadlineMs]);
  const check = child("check", 2000, nothing, "temporary");
  assert.deepEqual([check.isCritical, check.restart, check.progressDeadlineMs], [false, "temporary", 2000]);
});

test("a source may be silent for as long as a backoff and an attempt take, and as a broker's answers do", () => {
  const usual = mqttConfig({ url: "mqtt://127.0.0.1:1", keepaliveMs: 30_000, connectTimeoutMs: 30_000 });
  assert.equal(sourceDeadlineMs(usual), 120_000 + progressDeadlineMs);
  assert.equal(sourceDeadlineMs({ ...usual, keepaliveMs: 600_000 }), 1_800_000 + progressDeadlineMs);
});

test("a forwarder may be silent for as long as a batch takes that is halved until one line is left", () => {
  const config = { writeTimeoutMs: 30_000 } as InfluxConfig;
  assert.ok(forwardDeadlineMs(config) >= 10 * config.writeTimeoutMs);
});
