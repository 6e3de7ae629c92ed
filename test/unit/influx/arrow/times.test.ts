import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { dateText, intervalText, timestampTexts, timeText } from "../../../../src/influx/arrow/times.ts";

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const unitsPerSecond = fc.constantFrom(1, 1000, 1_000_000, 1_000_000_000);

/** The inverse, by another way: 400 years at a time through Date, which is exact for them. */
function nanosecondsOf(text: string): bigint {
  const parts = /^([+-]?\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{9})Z$/.exec(text);
  assert.ok(parts !== null, text);
  const [year = 0n, month = 0n, day = 0n, hours = 0n, minutes = 0n, seconds = 0n, fraction = 0n] = parts
    .slice(1)
    .map(BigInt);
  const cycles = (year - 2000n) / 400n;
  const ms = Date.UTC(Number(year - cycles * 400n), Number(month) - 1, Number(day));
  const days = cycles * 146_097n + BigInt(ms / 86_400_000);
  return (((days * 24n + hours) * 60n + minutes) * 60n + seconds) * 1_000_000_000n + fraction;
}

describe("a timestamp as text", () => {
  test("says exactly which it was, in every unit and over the whole range", () => {
    fc.assert(
      fc.property(unitsPerSecond, fc.array(int64, { minLength: 1 }), (units, timestamps) => {
        const textOf = timestampTexts(units);
        for (const timestamp of timestamps) {
          assert.equal(nanosecondsOf(textOf(timestamp)), timestamp * BigInt(1_000_000_000 / units));
        }
      }),
    );
  });

  test("is what Date writes, where Date can, with more digits", () => {
    const ms = fc.integer({ min: -8.64e15, max: 8.64e15 });
    fc.assert(
      fc.property(ms, (time) => {
        const text = timestampTexts(1000)(BigInt(time));
        assert.equal(text, new Date(time).toISOString().replace("Z", "000000Z"));
      }),
      { examples: [[-8.64e15], [8.64e15], [-1], [0], [Date.UTC(2000, 1, 29)], [Date.UTC(1900, 1, 28, 24)]] },
    );
  });

  test("sorts as the time does between the years 0 and 9999", () => {
    const between = fc.bigInt({ min: -62_167_219_200n, max: 253_402_300_799n });
    fc.assert(
      fc.property(between, between, (one, other) => {
        const textOf = timestampTexts(1);
        assert.equal(textOf(one) < textOf(other), one < other);
      }),
    );
  });
});

test("a date is what Date writes of that day", () => {
  fc.assert(
    fc.property(fc.integer({ min: -100_000_000, max: 100_000_000 }), (days) => {
      assert.equal(dateText(days), new Date(days * 86_400_000).toISOString().replace(/T.*/, ""));
    }),
  );
});

test("a time of day has nine digits behind its seconds", () => {
  assert.equal(timeText(0), "00:00:00.000000000");
  assert.equal(timeText(86_399_999_999_999), "23:59:59.999999999");
  assert.equal(timeText(3_600_000_000_000 + 60_000_000_000 + 1_000_000_001), "01:01:01.000000001");
});

describe("an interval as text", () => {
  test("adds up to what it was, and keeps its three parts apart", () => {
    fc.assert(
      fc.property(int32, int32, int64, (months, days, ns) => {
        const text = intervalText(months, days, ns);
        const parts =
          /^P(?:(-?\d+)Y)?(?:(-?\d+)M)?(?:(-?\d+)D)?(?:T(?=.)(?:(-?\d+)H)?(?:(-?\d+)M)?(?:(-?)(\d+)(?:\.(\d{1,9}))?S)?)?$/.exec(
            text,
          );
        assert.ok(parts !== null, text);
        const [years, moreMonths, moreDays, hours, minutes] = parts
          .slice(1, 6)
          .map((part) => BigInt(part ?? 0));
        const [sign, seconds = "0", fraction = ""] = parts.slice(6);
        const magnitude = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
        assert.equal((years ?? 0n) * 12n + (moreMonths ?? 0n), BigInt(months));
        assert.equal(moreDays, BigInt(days));
        const clock = ((hours ?? 0n) * 60n + (minutes ?? 0n)) * 60_000_000_000n;
        assert.equal(clock + (sign === "-" ? -magnitude : magnitude), ns);
      }),
      {
        examples: [
          [0, 0, 0n],
          [-1, 0, -1n],
          [12, -1, 500_000_000n],
        ],
      },
    );
  });

  test("of nothing is no time at all", () => assert.equal(intervalText(0, 0, 0n), "PT0S"));
});
