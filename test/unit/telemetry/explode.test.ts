import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import type { JsonValue } from "../../../src/chirpstack/event.ts";
import { Exploder, isPlausibleTime } from "../../../src/telemetry/explode.ts";
import type { ItemFate } from "../../../src/telemetry/flatten.ts";
import { uplinkNs } from "./payload-uplink.ts";

interface Taken {
  readonly fates: readonly ItemFate[] | undefined;
  readonly times: bigint[];
}

function take(items: JsonValue[], member = "t"): Taken {
  const exploder = new Exploder(new Map([["history", member]]), uplinkNs);
  const fates = exploder.take("history", items);
  return { fates, times: exploder.items.map(({ timeNs }) => timeNs) };
}

function timeOf(t: JsonValue): bigint | undefined {
  return take([{ t }]).times[0];
}

describe("the time of an item", () => {
  test("a number is seconds, ms, µs or ns by its size", () => {
    assert.equal(timeOf(1_650_881_694), 1_650_881_694_000_000_000n);
    assert.equal(timeOf(1_650_881_694_123), 1_650_881_694_123_000_000n);
    assert.equal(timeOf(1_650_881_694_123_456), 1_650_881_694_123_456_000n);
    assert.equal(timeOf(1_650_881_694_123_456_768), 1_650_881_694_123_456_768n);
  });

  test("a fraction of a second counts, to the microsecond that a double can hold", () => {
    assert.equal(timeOf(1_650_881_694.5), 1_650_881_694_500_000_000n);
    assert.equal(timeOf(1_650_881_694.123), 1_650_881_694_123_000_000n);
    assert.equal(timeOf("1650881694.123456789"), 1_650_881_694_123_456_789n);
  });

  test("a text is RFC 3339 or a decimal, kept to the nanosecond", () => {
    assert.equal(timeOf("2022-04-25T10:14:54.000000001Z"), 1_650_881_694_000_000_001n);
    assert.equal(timeOf("2022-04-25T12:14:54+02:00"), 1_650_881_694_000_000_000n);
    assert.equal(timeOf("1650881694"), 1_650_881_694_000_000_000n);
    assert.equal(timeOf("1650881694123456789"), 1_650_881_694_123_456_789n);
  });

  test("from 2015 to a day after the uplink is plausible, to the nanosecond", () => {
    const first = "2015-01-01T00:00:00Z";
    assert.equal(timeOf(first), 1_420_070_400_000_000_000n);
    assert.equal(timeOf("2014-12-31T23:59:59.999999999Z"), undefined);
    assert.equal(timeOf("2025-06-14T12:44:52.653481123Z"), uplinkNs + 86_400_000_000_000n);
    assert.equal(timeOf("2025-06-14T12:44:52.653481124Z"), undefined);
    assert.equal(isPlausibleTime(first, uplinkNs), true);
    assert.equal(isPlausibleTime("2025-06-15T00:00:00Z", uplinkNs), false);
  });

  test("what is no time is no time", () => {
    const none: JsonValue[] = [
      null,
      true,
      "",
      "soon",
      "2024-01-01 00:00:00",
      "2024-02-30T00:00:00Z",
      -1_650_881_694,
      Number.NaN,
      Infinity,
      0,
      1204,
      "007",
      "1e9",
      [1_650_881_694],
      {},
      1e300,
      "9".repeat(40),
    ];
    for (const value of none) assert.equal(timeOf(value), undefined, JSON.stringify(value));
  });
});

test("items of one moment are a nanosecond apart, in their order", () => {
  const items = [{ t: 1_650_881_694 }, { t: "1650881694.000000001" }, { t: 1_650_881_694 }];
  const base = 1_650_881_694_000_000_000n;
  assert.deepEqual(take(items).times, [base, base + 1n, base + 2n]);
});

test("an item of the uplink's very nanosecond does not overwrite the uplink's row", () => {
  assert.equal(timeOf("2025-06-13T12:44:52.653481123Z"), uplinkNs + 1n);
});

test("only objects with a plausible time become rows, and only below the named key", () => {
  const items = [
    { t: 1_650_881_694 },
    7,
    null,
    [],
    { t: 5 },
    { u: 1_650_881_694 },
    { t: "2022-04-25T10:14:55Z" },
  ];
  const no = "no time";
  assert.deepEqual(take(items).fates, ["row", no, no, no, no, no, "row"]);
  assert.deepEqual(take(items, "u").fates, [no, no, no, no, no, "row", no]);
  const exploder = new Exploder(new Map([["history", "t"]]), uplinkNs);
  assert.equal(exploder.take("other", items), undefined);
  assert.equal(exploder.items.length, 0);
});

test("an array whose items have no such member is another one, which has the name by chance", () => {
  assert.equal(take([]).fates, undefined);
  assert.equal(take([20.5, null, "x", { u: 1_650_881_694 }, [{ t: 1_650_881_694 }]]).fates, undefined);
  assert.equal(take([{ a: 1 }], "toString").fates, undefined);
  assert.deepEqual(take([{ t: null }]).fates, ["no time"]);
});

test("one message makes at most 256 rows, of all its arrays", () => {
  const items = Array.from({ length: 200 }, (_, index) => ({ t: 1_650_881_694 + index }));
  const exploder = new Exploder(new Map(["a", "b"].map((path) => [path, "t"])), uplinkNs);
  assert.deepEqual(new Set(exploder.take("a", items)), new Set(["row"]));
  const fates = exploder.take("b", items) ?? [];
  assert.equal(fates.indexOf("no room"), 56);
  assert.equal(fates.lastIndexOf("row"), 55);
});

test("any values: times are plausible, distinct, and the same each time", () => {
  let taken = 0;
  const time = fc.oneof(
    fc.integer({ min: 1_400_000_000, max: 1_800_000_000 }),
    fc.double(),
    fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
    fc.string(),
    fc.constantFrom(1_650_881_694, "1650881694", null),
  );
  fc.assert(
    fc.property(fc.array(time), (times) => {
      const items = times.map((t) => ({ t }));
      const first = take(items);
      assert.deepEqual(take(items), first);
      assert.equal(new Set(first.times).size, first.times.length);
      for (const ns of first.times) {
        assert.ok(ns >= 1_420_070_400_000_000_000n && ns <= uplinkNs + 86_400_000_001_000n);
      }
      taken += first.times.length;
    }),
    { seed: 5, numRuns: 300 },
  );
  assert.ok(taken > 300, `${taken} items`);
});
