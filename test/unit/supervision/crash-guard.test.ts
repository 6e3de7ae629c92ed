import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  calmAfterMs,
  type RecordedStart,
  resumption,
  startMode,
} from "../../../src/supervision/crash-guard.ts";

const minuteMs = 60_000;
const present = { bootId: "this", uptimeMs: 1000 * minuteMs };
const normal = { mode: "normal" };

/** Starts of this boot, so many minutes before the present one. */
function starts(agoMin: readonly number[], more: Partial<RecordedStart> = {}): RecordedStart[] {
  return agoMin.map((ago) => ({
    bootId: "this",
    uptimeMs: present.uptimeMs - ago * minuteMs,
    end: "unknown" as const,
    ...more,
  }));
}

/** One run in each of so many earlier boots, 20 s after the machine came up. */
function boots(count: number, more: Partial<RecordedStart> = {}): RecordedStart[] {
  return Array.from({ length: count }, (_, index) => ({
    bootId: `boot-${index}`,
    uptimeMs: 20_000,
    end: "unknown" as const,
    wasCalm: false,
    ...more,
  }));
}

describe("within one boot", () => {
  const safe = (uncleanStarts: number) => ({ mode: "safe", uncleanStarts });
  const rows: readonly (readonly [string, readonly RecordedStart[], object])[] = [
    ["nothing recorded", [], normal],
    ["four unclean ends within ten minutes", starts([4, 3, 2, 1]), normal],
    ["five", starts([5, 4, 3, 2, 1]), safe(5)],
    ["five, of which some left word", [...starts([5, 4]), ...starts([3, 2, 1], { end: "crash" })], safe(5)],
    ["five of seven were clean", [...starts([7, 6, 5, 4, 3], { end: "clean" }), ...starts([2, 1])], normal],
    [
      "clean stops in between take nothing away",
      [...starts([6, 5, 4]), ...starts([3], { end: "clean" }), ...starts([2, 1])],
      safe(5),
    ],
    ["five within an hour", starts([50, 40, 30, 20, 10]), normal],
    ["it ended when the next one started: a long run counts by its end", starts([900, 4, 3, 2, 1]), safe(5)],
    ["six, of which two ended before the window", starts([16, 15, 12, 3, 2, 1]), normal],
    ["of another boot", starts([5, 4, 3, 2, 1], { bootId: "other" }), normal],
    ["later than now: not of this clock", starts([-1, -2, -3, -4, -5]), normal],
  ];
  for (const [name, recorded, mode] of rows) {
    test(name, () => {
      assert.deepEqual(startMode(recorded, present), mode);
    });
  }
});

describe("over several boots", () => {
  const now = { bootId: "this", uptimeMs: 20_000 };
  test("five power cuts after long runs are no crashes, nor are those of which nobody knows", () => {
    assert.deepEqual(startMode(boots(9, { wasCalm: true }), now), normal);
    assert.deepEqual(startMode(boots(9, { wasCalm: undefined }), now), normal);
  });

  test("five boots in a row that each ended with a short, unclean run are a loop of reboots", () => {
    assert.deepEqual(startMode(boots(4), now), normal);
    assert.deepEqual(startMode(boots(5), now), { mode: "safe", uncleanStarts: 5 });
  });

  test("a calm run or a clean stop, then or since, ends the row", () => {
    const calm = boots(1, { bootId: "calm", wasCalm: true });
    const clean = boots(1, { bootId: "clean", end: "clean" });
    for (const good of [calm, clean]) {
      assert.deepEqual(startMode([...boots(4), ...good, ...boots(4)], now), normal);
      assert.deepEqual(startMode([...boots(5), ...good], now), normal);
      assert.deepEqual(startMode([...good, ...boots(5)], now), { mode: "safe", uncleanStarts: 5 });
    }
    const sinceThen = boots(1, { bootId: "this", uptimeMs: 10_000, wasCalm: true });
    assert.deepEqual(startMode([...boots(5), ...sinceThen], now), normal);
  });

  test("several runs of one boot count once, and a start in this boot does not hide the row", () => {
    const twice = boots(4).flatMap((start) => [start, { ...start, uptimeMs: 30_000 }]);
    assert.deepEqual(startMode(twice, now), normal);
    const again = boots(1, { bootId: "this", uptimeMs: 10_000 });
    assert.deepEqual(startMode([...boots(5), ...again], now), { mode: "safe", uncleanStarts: 5 });
  });
});

describe("the suspect", () => {
  const named = (...parts: (string | undefined)[]): unknown => {
    const recorded = starts([5, 4, 3, 2, 1]).map((start, index) => ({ ...start, part: parts[index] }));
    const mode = startMode(recorded, present);
    return mode.mode === "safe" ? mode.suspect : undefined;
  };
  test("is the part that was named most often, of several the last", () => {
    assert.equal(named("rules", "streams", "rules", undefined, "streams"), "streams");
    assert.equal(named("rules", "rules", "streams", undefined, undefined), "rules");
    assert.equal(named(undefined, "rules"), "rules");
  });
  test("is nobody when nobody was named", () => {
    assert.equal(named(), undefined);
    assert.ok(!("suspect" in startMode(starts([5, 4, 3, 2, 1]), present)));
  });
});

test("after fifteen minutes of peace the rest is started one by one, the suspect last", () => {
  assert.deepEqual(resumption(["rules", "streams", "status"], "rules"), [
    { part: "streams", afterMs: 15 * minuteMs },
    { part: "status", afterMs: 17 * minuteMs },
    { part: "rules", afterMs: 19 * minuteMs },
  ]);
  assert.deepEqual(resumption([], "rules"), []);
  assert.deepEqual(
    resumption(["a", "b"], undefined).map(({ part }) => part),
    ["a", "b"],
  );
  assert.deepEqual(
    resumption(["a"], "journal").map(({ part }) => part),
    ["a"],
  );
});

test("calm is longer than the window in which crashes are counted, or a loop could look calm", () => {
  assert.ok(calmAfterMs >= 10 * minuteMs);
});
