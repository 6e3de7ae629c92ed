import assert from "node:assert/strict";
import { test } from "node:test";
import { Fates } from "../../../src/pipeline/fates.ts";

function setUp(maxMessages?: number) {
  const clock = { now: 0, nowMs: () => 0, uptimeMs: (): number => clock.now };
  return { clock, fates: new Fates(clock, maxMessages) };
}

test("evidence is a second refusal a minute later with a delivery in between, and nothing less", () => {
  for (const [laterMs, deliveries, isEnough] of [
    [59_999, 1, false],
    [60_000, 0, false],
    [60_000, 1, true],
  ] as const) {
    const { clock, fates } = setUp();
    fates.delivered();
    assert.equal(fates.refusedAlone(7, 1), false);
    for (let count = 0; count < deliveries; count += 1) fates.delivered();
    clock.now = laterMs;
    assert.equal(fates.refusedAlone(7, 0), false, "another row");
    assert.equal(fates.refusedAlone(7, 1), isEnough, `${laterMs} ms, ${deliveries} deliveries`);
  }
});

test("a refusal that is no evidence yet does not begin the minute anew", () => {
  const { clock, fates } = setUp();
  fates.refusedAlone(7, 1);
  clock.now = 50_000;
  fates.delivered();
  assert.equal(fates.refusedAlone(7, 1), false);
  clock.now = 60_000;
  assert.equal(fates.refusedAlone(7, 1), true);
});

test("a message travels alone while a row of it waits for its second refusal", () => {
  const { fates } = setUp();
  fates.refusedAlone(7, 1);
  assert.equal(fates.isSuspect(7), true);
  fates.finish(7, 1, "dead");
  assert.equal(fates.isSuspect(7), false);
  assert.deepEqual([[...(fates.finished(7) ?? [])], fates.hasDelivered(7)], [[1], false]);
  fates.finish(7, 0, "delivered");
  assert.equal(fates.hasDelivered(7), true);
  fates.forget(7);
  assert.equal(fates.finished(7), undefined);
});

test("as many messages as it may remember, the oldest is forgotten first", () => {
  const { fates } = setUp(2);
  for (const seq of [1, 2, 3]) fates.blame(seq);
  assert.deepEqual(
    [1, 2, 3].map((seq) => fates.isBlamed(seq)),
    [false, true, true],
  );
});
