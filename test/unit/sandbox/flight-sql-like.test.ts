/** LIKE as Arrow has it, beside a regular expression that says the same; and patterns that mean harm. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { like } from "../../../src/sandbox/influxdb/flight/sql-like.ts";

const cases: readonly (readonly [pattern: string, name: string, isLike: boolean])[] = [
  ["", "", true],
  ["", "a", false],
  ["%", "", true],
  ["%%", "abc", true],
  ["_", "", false],
  ["_", "ü", true],
  ["_", "😀", true],
  ["a%c", "abcbc", true],
  ["a%c", "abcb", false],
  ["%b%b%", "abcb", true],
  ["%b%b%", "abc", false],
  ["A", "a", false],
  [String.raw`\%`, "%", true],
  [String.raw`\%`, "a", false],
  [String.raw`a\_b`, "a_b", true],
  [String.raw`a\_b`, "axb", false],
  [String.raw`\\`, "\\", true],
  ["\\", "\\", true],
  ["a.c", "abc", false],
  ["a\nc%", "a\ncd", true],
];
for (const [pattern, name, isLike] of cases) {
  test(`${JSON.stringify(name)} is ${isLike ? "" : "not "}like ${JSON.stringify(pattern)}`, () => {
    assert.equal(like(pattern)(name), isLike);
  });
}

test("every pattern of three letters means what a regular expression says", () => {
  const letters = ["a", "b", "%", "_"];
  const names = ["", "a", "b", "ab", "ba", "aab", "abab", "bbbb"];
  const three = letters.flatMap((x) => letters.flatMap((y) => letters.map((z) => x + y + z)));
  for (const pattern of three) {
    const same = new RegExp(`^${pattern.replaceAll("%", ".*").replaceAll("_", ".")}$`);
    for (const name of names) assert.equal(like(pattern)(name), same.test(name), `${name} ${pattern}`);
  }
});

describe("a huge pattern takes no longer than it is long", () => {
  const name = "a".repeat(200);
  const patterns = {
    "only of %": "%".repeat(4_000_000),
    "% and a letter in turn": "%a".repeat(2_000_000),
    "that would make a regular expression try every way": `${"%a".repeat(100)}%b`,
    "of one letter": "a".repeat(4_000_000),
  };
  for (const [what, pattern] of Object.entries(patterns)) {
    test(what, { timeout: 5000 }, () => {
      const isLike = like(pattern);
      for (let n = 0; n < 2000; n += 1) assert.equal(isLike(name), what === "only of %");
    });
  }
});
