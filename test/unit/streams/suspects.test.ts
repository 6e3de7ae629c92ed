import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultStreamsSettings } from "../../../src/streams/settings.ts";
import { Suspects } from "../../../src/streams/suspects.ts";

const minuteMs = 60_000;
const suspects = (): Suspects => new Suspects(defaultStreamsSettings.suspicion);

test("one death makes a suspect, a second one within ten minutes parks it, each trial that kills for twice as long", () => {
  const all = suspects();
  all.died("q", 0);
  assert.deepEqual([all.isSuspect("q"), all.parkedForMs("q", 0), all.isSuspect("other")], [true, 0, false]);
  all.died("q", minuteMs);
  assert.equal(all.parkedForMs("q", minuteMs), 5 * minuteMs);
  assert.deepEqual(all.parked(minuteMs), [{ text: "q", untilMs: 6 * minuteMs }]);
  assert.equal(all.parkedForMs("q", 6 * minuteMs), 0);
  assert.deepEqual(all.parked(6 * minuteMs), []);
  all.died("q", 7 * minuteMs);
  assert.equal(all.parkedForMs("q", 7 * minuteMs), 10 * minuteMs);
  for (let n = 0; n < 10; n += 1) all.died("q", 20 * minuteMs);
  assert.equal(all.parkedForMs("q", 20 * minuteMs), 60 * minuteMs);
});

test("an answer clears it, and deaths far apart are no row", () => {
  const all = suspects();
  all.died("q", 0);
  all.answered("q");
  assert.equal(all.isSuspect("q"), false);
  all.died("q", minuteMs);
  assert.equal(all.parkedForMs("q", minuteMs), 0);
  all.died("q", 20 * minuteMs);
  assert.equal(all.parkedForMs("q", 20 * minuteMs), 0);
});

test("they are bounded in number, and the one that is longest ago is forgotten", () => {
  const all = suspects();
  for (let n = 0; n < 1000; n += 1) all.died(`q${n}`, n);
  const kept = Array.from({ length: 1000 }, (_, n) => `q${n}`).filter((text) => all.isSuspect(text));
  assert.deepEqual([kept.length, kept[0], kept.at(-1)], [200, "q800", "q999"]);
});
