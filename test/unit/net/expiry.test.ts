import assert from "node:assert/strict";
import { test } from "node:test";
import { endsSoon } from "../../../src/net/expiry.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

test("the end of a certificate is near in its last third, and two weeks before it at the latest", () => {
  const rows: readonly (readonly [lifeMs: number, soonMs: number])[] = [
    [dayMs, 8 * hourMs],
    [30 * dayMs, 10 * dayMs],
    [42 * dayMs, 14 * dayMs],
    [90 * dayMs, 14 * dayMs],
    [3650 * dayMs, 14 * dayMs],
  ];
  for (const [lifeMs, soonMs] of rows) {
    const certificate = { validFromMs: 0, validToMs: lifeMs };
    assert.equal(endsSoon(certificate, lifeMs - soonMs), false, `${lifeMs}`);
    assert.equal(endsSoon(certificate, lifeMs - soonMs + 1), true, `${lifeMs}`);
  }
});
