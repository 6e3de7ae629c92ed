import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { keyOf, type Named, Suspects } from "../../../src/streams/suspects.ts";

const minuteMs = 60_000;
const suspects = (): Suspects => new Suspects(defaultStreamsSettings.suspicion);
const named = (key: string): Named => ({ key, label: `label of ${key}` });
const diedAlone = (all: Suspects, key: string, nowMs: number): void => {
  all.died([named(key)], undefined, nowMs);
};

test("one death makes a suspect, a second one within ten minutes parks it, each trial that kills for twice as long", () => {
  const all = suspects();
  diedAlone(all, "q", 0);
  assert.deepEqual(
    [all.isSuspect("q", 0), all.parkedForMs("q", 0), all.isSuspect("other", 0)],
    [true, 0, false],
  );
  diedAlone(all, "q", minuteMs);
  assert.equal(all.parkedForMs("q", minuteMs), 5 * minuteMs);
  assert.deepEqual(all.parked(minuteMs), [{ text: "label of q", untilMs: 6 * minuteMs }]);
  assert.equal(all.parkedForMs("q", 6 * minuteMs), 0);
  assert.deepEqual(all.parked(6 * minuteMs), []);
  diedAlone(all, "q", 7 * minuteMs);
  assert.equal(all.parkedForMs("q", 7 * minuteMs), 10 * minuteMs);
  for (let n = 0; n < 10; n += 1) diedAlone(all, "q", 20 * minuteMs);
  assert.equal(all.parkedForMs("q", 20 * minuteMs), 60 * minuteMs);
});

test("who was beside others at however many deaths is suspected and never refused", () => {
  const all = suspects();
  for (let n = 0; n < 10; n += 1) all.died([named("q"), named(`beside ${n}`)], undefined, n);
  assert.deepEqual([all.isSuspect("q", 10), all.isSuspect("beside 9", 10)], [true, true]);
  assert.deepEqual([all.parkedForMs("q", 10), all.parked(10)], [0, []]);
  diedAlone(all, "q", 10);
  all.died([named("q"), named("beside")], undefined, 11);
  assert.equal(all.parkedForMs("q", 11), 0);
  // Two with the same text are one.
  all.died([named("q"), named("q")], undefined, 12);
  assert.equal(all.parkedForMs("q", 12), 5 * minuteMs);
});

test("a death that the process names somebody for is nobody else's", () => {
  const all = suspects();
  for (const nowMs of [0, 1]) all.died([named("beside"), named("q")], named("q"), nowMs);
  assert.deepEqual([all.isSuspect("beside", 1), all.parkedForMs("q", 1)], [false, 5 * minuteMs]);
});

test("an end in a process that lives clears it, deaths far apart are no row, and suspicion ends by itself", () => {
  const all = suspects();
  diedAlone(all, "q", 0);
  all.clear("q");
  assert.equal(all.isSuspect("q", 0), false);
  diedAlone(all, "q", minuteMs);
  assert.equal(all.parkedForMs("q", minuteMs), 0);
  assert.deepEqual([all.isSuspect("q", 11 * minuteMs - 1), all.isSuspect("q", 11 * minuteMs)], [true, false]);
  diedAlone(all, "q", 20 * minuteMs);
  assert.equal(all.parkedForMs("q", 20 * minuteMs), 0);
  // Refused until minute 26: the window is counted from there.
  diedAlone(all, "q", 21 * minuteMs);
  assert.deepEqual([all.isSuspect("q", 36 * minuteMs - 1), all.isSuspect("q", 36 * minuteMs)], [true, false]);
});

test("they are bounded in number, and the one that is longest ago is forgotten", () => {
  const all = suspects();
  for (let n = 0; n < 1000; n += 1) diedAlone(all, `q${n}`, n);
  const kept = Array.from({ length: 1000 }, (_, n) => `q${n}`).filter((key) => all.isSuspect(key, 1000));
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [200, "q800", "q999"]);
});

test("what is kept of a text is short, the same for the same, and another for another", () => {
  const long = keyOf("x".repeat(1e6));
  assert.ok(long.length < 50);
  assert.equal(keyOf("x".repeat(1e6)), long);
  assert.notEqual(keyOf("x".repeat(1e6 + 1)), long);
});
