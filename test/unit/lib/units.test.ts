import assert from "node:assert/strict";
import { test } from "node:test";
import { formatBytes, parseDurationMs, parseSizeBytes } from "../../../src/lib/units.ts";

test("a duration is a sum of numbers with units", () => {
  assert.equal(parseDurationMs("250ms"), 250);
  assert.equal(parseDurationMs("1.5s"), 1500);
  assert.equal(parseDurationMs("15m"), 900_000);
  assert.equal(parseDurationMs("15min"), 900_000);
  assert.equal(parseDurationMs("1h 30m"), 5_400_000);
  assert.equal(parseDurationMs("1h30m"), 5_400_000);
  assert.equal(parseDurationMs("7d"), 604_800_000);
  assert.equal(parseDurationMs("1w"), 604_800_000);
  assert.equal(parseDurationMs(" 0s "), 0);
});

test("a size is a sum of numbers with binary or decimal units", () => {
  assert.equal(parseSizeBytes("64KiB"), 65_536);
  assert.equal(parseSizeBytes("64kB"), 64_000);
  assert.equal(parseSizeBytes("2GiB"), 2_147_483_648);
  assert.equal(parseSizeBytes("1 MiB"), 1_048_576);
  assert.equal(parseSizeBytes("17B"), 17);
  assert.equal(parseSizeBytes("0.3B"), 0);
});

test("what has no unit, an unknown unit or a sign is neither a duration nor a size", () => {
  const wrong = ["", " ", "5", "s", "-1s", "1e3s", "1,5s", "1x", "1 s s", "1constructor", "1__proto__", "١s"];
  for (const text of wrong) {
    assert.equal(parseDurationMs(text), undefined, text);
    assert.equal(parseSizeBytes(text), undefined, text);
  }
  assert.equal(parseDurationMs("1KiB"), undefined);
  assert.equal(parseSizeBytes("1h"), undefined);
});

test("a number too large for a double is no duration", () => {
  assert.equal(parseDurationMs(`${"9".repeat(400)}d`), undefined);
});

test("bytes are shown with the largest unit that leaves a whole part", () => {
  assert.equal(formatBytes(0), "0 B");
  assert.equal(formatBytes(1023), "1023 B");
  assert.equal(formatBytes(1536), "1.5 KiB");
  assert.equal(formatBytes(2 * 1024 ** 3), "2.0 GiB");
  assert.equal(formatBytes(5000 * 1024 ** 4), "5000.0 TiB");
});
