import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { backoffMs } from "../../../src/lib/backoff.ts";

const base = { baseMs: 500, capMs: 60_000 };

test("the ceiling doubles with every attempt until the cap", () => {
  const almostOne = (): number => 0.999_999;
  const ceilings = [0, 1, 2, 6, 7, 8, 50, 5000].map((attempt) =>
    backoffMs({ ...base, attempt, random: almostOne }),
  );
  assert.deepEqual(ceilings, [499, 999, 1999, 31_999, 59_999, 59_999, 59_999, 59_999]);
});

test("the whole range below the ceiling is used", () => {
  assert.equal(backoffMs({ ...base, attempt: 3, random: () => 0 }), 0);
  assert.equal(backoffMs({ ...base, attempt: 3, random: () => 0.5 }), 2000);
});

test("every delay is a whole number of milliseconds within the cap", () => {
  fc.assert(
    fc.property(
      fc.nat(10_000),
      fc.integer({ min: 1, max: 10_000 }),
      fc.integer({ min: 1, max: 1e6 }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, baseMs, capMs, random) => {
        const delayMs = backoffMs({ attempt, baseMs, capMs, random: () => random });
        assert.ok(Number.isInteger(delayMs) && delayMs >= 0 && delayMs < capMs, `${delayMs}`);
      },
    ),
  );
});
