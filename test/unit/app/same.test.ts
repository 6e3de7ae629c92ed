import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isSame } from "../../../src/app/same.ts";
import { Secret } from "../../../src/lib/secret.ts";

const pairs: readonly (readonly [what: string, one: unknown, other: unknown, isSame: boolean])[] = [
  ["numbers", 1, 1, true],
  ["numbers that differ", 1, 2, false],
  ["not a number", Number.NaN, Number.NaN, true],
  ["a number and its text", 1, "1", false],
  ["nothing and an object", undefined, {}, false],
  ["null and an object", null, {}, false],
  ["objects, whatever the order of keys", { a: 1, b: [2] }, { b: [2], a: 1 }, true],
  ["objects of which one has more", { a: 1 }, { a: 1, b: 2 }, false],
  ["a key that is undefined and one that is not there", { a: undefined }, { b: undefined }, false],
  ["lists", [1, 2], [1, 2], true],
  ["lists in another order", [1, 2], [2, 1], false],
  ["a list and an object with its keys", [1], { 0: 1 }, false],
  ["secrets", { token: new Secret("a") }, { token: new Secret("a") }, true],
  ["secrets that differ", { token: new Secret("a") }, { token: new Secret("b") }, false],
  ["a secret and its text", new Secret("a"), "a", false],
  ["a secret and an object", new Secret("a"), {}, false],
  ["maps", new Map([["a", { b: 1 }]]), new Map([["a", { b: 1 }]]), true],
  ["maps that differ deep inside", new Map([["a", { b: 1 }]]), new Map([["a", { b: 2 }]]), false],
  ["maps of other sizes", new Map([["a", 1]]), new Map(), false],
  ["a map and an object", new Map(), {}, false],
  ["sets", new Set(["a"]), new Set(["a"]), true],
  ["sets that differ", new Set(["a"]), new Set(["b"]), false],
  ["a set and a map", new Set(), new Map(), false],
  ["what cannot be looked into", new Date(0), new Date(0), false],
];

describe("the same", () => {
  for (const [what, one, other, expected] of pairs) {
    test(`${what}: ${expected ? "yes" : "no"}, both ways`, () => {
      assert.equal(isSame(one, other), expected);
      assert.equal(isSame(other, one), expected);
    });
  }

  test("a thing is the same as itself, whatever it is", () => {
    const date = new Date(0);
    assert.ok(isSame({ date }, { date }));
  });
});
